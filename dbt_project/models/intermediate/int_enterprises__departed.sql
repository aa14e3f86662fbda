-- Enterprises that are no longer to be graded, and since when. Empty before edition 3.
with enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

registered as (

  select * from {{ ref('stg_enterprises') }}

),

codes as (

  select * from {{ ref('stg_enterprise_codes') }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }}

),

last_days as (

  select
    uscc,
    max(ends_on) as last_served_on
  from spells
  group by uscc

)

{%- if rule('no_longer') == 'not_graded' %}

-- the register of enterprises says that it is no more; where no event says since when, from the night it said so
select
  enterprises.uscc,
  'deregistered' as departure_code,
  coalesce(codes.deregistered_on, registered.known_on) as since_on,
  codes.deregistered_on is null as is_assumed
from enterprises
inner join registered
  on registered.uscc = enterprises.uscc
left join codes
  on codes.uscc = enterprises.uscc and codes.deregistered_on <= {{ business_date() }}
where codes.uscc is not null or not registered.is_active
union all
select
  enterprises.uscc,
  'not_serving' as departure_code,
  last_days.last_served_on + 1 as since_on,
  false as is_assumed
from enterprises
inner join last_days
  on last_days.uscc = enterprises.uscc
where last_days.last_served_on < {{ business_date() }}
{%- else %}

select
  enterprises.uscc,
  null::text as departure_code,
  null::date as since_on,
  null::boolean as is_assumed
from enterprises
inner join registered
  on registered.uscc = enterprises.uscc
left join codes
  on codes.uscc = enterprises.uscc
left join last_days
  on last_days.uscc = enterprises.uscc
where false
{%- endif %}
