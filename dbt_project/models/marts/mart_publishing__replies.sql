-- The newest statement of each enterprise; one that was withdrawn leaves nothing, an older one does not come back.
with enterprises as (

  select * from {{ ref('dim_enterprise') }} where is_enterprise

),

replies as (

  select * from {{ ref('stg_replies') }}

),

newest as (

  select distinct on (uscc)
    uscc,
    reply_id,
    filed_on,
    statement,
    withdrawn_on
  from replies
  where filed_on <= {{ business_date() }}
  order by uscc, filed_on desc, reply_id desc

)

select
  newest.uscc,
  newest.reply_id,
  newest.filed_on,
  case when coalesce(newest.withdrawn_on > {{ business_date() }}, true) then newest.statement end as statement
from newest
inner join enterprises
  on enterprises.uscc = newest.uscc
