-- Ended quarters that an enterprise managed from the first day to the last, for P05 (ledger) and P06 (disclosure).
with spells as (

  select * from {{ ref('int_spells__resolved') }} where is_enterprise

),

communities as (

  select * from {{ ref('stg_community_periods') }}

),

quarters as (

  select
    quarter_start::date as quarter_on,
    (quarter_start + interval '3 months')::date - 1 as quarter_ends_on,
    (quarter_start + interval '3 months')::date - 1 + {{ var('disclosure_due_days') }} as disclosure_due_on
  from generate_series(
    date_trunc('quarter', {{ business_date() }}::timestamp) - interval '{{ longest_window(['P05', 'P06']) | int + (6 if var('counting').ends_at_complete_day else 3) }} months',
    date_trunc('quarter', {{ business_date() }}::timestamp),
    interval '3 months'
  ) as series (quarter_start)

),

managed as (

  select
    spells.community_id,
    spells.uscc,
    quarters.quarter_on,
    quarters.quarter_ends_on,
    quarters.disclosure_due_on,
    sum(least(spells.ends_on, quarters.quarter_ends_on) - greatest(spells.starts_on, quarters.quarter_on) + 1)
      as managed_days
  from spells
  inner join quarters
    on spells.starts_on <= quarters.quarter_ends_on and spells.ends_on >= quarters.quarter_on
  where quarters.quarter_ends_on <= {{ business_date() }}
  group by spells.community_id, spells.uscc, quarters.quarter_on, quarters.quarter_ends_on, quarters.disclosure_due_on

)

select
  managed.community_id,
  managed.uscc,
  managed.quarter_on,
  managed.quarter_ends_on,
  managed.disclosure_due_on,
  {{ stratum_code('communities', 'managed.quarter_ends_on') }} as stratum_code
from managed
inner join communities
  on communities.community_id = managed.community_id and {{ holds_on('communities', 'managed.quarter_ends_on') }}
where managed.managed_days = managed.quarter_ends_on - managed.quarter_on + 1
