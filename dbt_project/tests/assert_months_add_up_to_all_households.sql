-- Whoever managed a community: the parts of a month add up to all its days, so exposure is neither lost nor doubled. A
-- community that was merged into another has none from that day on.
with parts as (

  select
    community_id,
    month_on,
    least((month_on + interval '1 month')::date - 1, {{ business_date() }}) as ends_on,
    sum(responsible_days) as responsible_days
  from {{ ref('fct_community_months') }}
  group by community_id, month_on

),

lived as (

  select
    community_id,
    max(coalesce(valid_to, {{ business_date() }})) as ends_on
  from {{ ref('stg_community_periods') }}
  group by community_id

)

select
  parts.community_id,
  parts.month_on,
  parts.responsible_days
from parts
inner join lived
  on lived.community_id = parts.community_id
where parts.responsible_days <> greatest(least(parts.ends_on, lived.ends_on) - parts.month_on + 1, 0)
