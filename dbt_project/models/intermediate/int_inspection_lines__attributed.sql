{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=['inspection_id', 'line_code'],
  indexes=[
    {'columns': ['community_id', 'inspected_on']},
    {'columns': ['uscc', 'inspected_on']},
    {'columns': ['inspected_on']},
    {'columns': ['order_due_on']},
    {'columns': ['line_type_code', 'rectified_on']},
  ],
  post_hook='{{ primary_key() }}',
) }}
-- depends_on: {{ ref('int_inspections__touched') }}
-- Every inspection line with the enterprise it concerns: the one it names, else the one responsible on that day.
with lines as (

  select *
  from {{ ref('stg_inspections') }}
  {%- if is_incremental() %}
  where (inspection_id, line_code) in (select inspection_id, line_code from {{ ref('int_inspections__touched') }})
  {%- endif %}

),

communities as (

  select * from {{ ref('stg_community_periods') }}

),

enterprises as (

  select * from {{ ref('stg_enterprises') }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }}

),

-- an objection names an inspection or one of its lines as <inspection_id>/<line_code>
objections as (

  select * from {{ ref('int_objections__upheld') }} where target_type_code = 'inspection'

),

attributed as (

  select
    lines.inspection_id,
    lines.line_code,
    lines.line_type_code,
    lines.community_id,
    communities.region_code,
    coalesce(lines.uscc, spells.uscc) as uscc,
    coalesce(enterprises.organisation_type_code = 'enterprise', spells.is_enterprise, false) as is_of_enterprise,
    lines.inspected_on,
    lines.authority_code,
    lines.inspection_type_code,
    lines.checked_item_count,
    lines.failed_item_count,
    coalesce(lines.severity_code, 'minor') as severity_code,
    coalesce(lines.is_hazard, false) as is_hazard,
    lines.order_due_on,
    lines.rectified_on,
    -- not overdue on the due day itself: it has until that day's end
    case
      when lines.order_due_on is not null
        then coalesce(least(lines.rectified_on, {{ business_date() }}), {{ business_date() }}) > lines.order_due_on
    end as is_overdue,
    -- a finding counts once it is confirmed; items were checked unless somebody says they were not
    coalesce(lines.is_confirmed, lines.line_type_code = 'summary') as is_confirmed,
    objections.target_id is not null or whole_objections.target_id is not null as is_objection_upheld,
    case when communities.community_id is null then 'all' else {{ stratum_code('communities', 'lines.inspected_on') }} end
      as stratum_code,
    case when spells.uscc = coalesce(lines.uscc, spells.uscc) then spells.protection_weight else 1 end
      as protection_weight
  from lines
  left join communities
    on communities.community_id = lines.community_id and {{ holds_on('communities', 'lines.inspected_on') }}
  left join enterprises
    on enterprises.uscc = lines.uscc
  left join spells
    on spells.community_id = lines.community_id and lines.inspected_on between spells.starts_on and spells.ends_on
  left join objections
    on objections.target_id = lines.inspection_id || '/' || lines.line_code
  left join objections as whole_objections
    on whole_objections.target_id = lines.inspection_id

)

-- the first reason why a line weighs nothing; of what is fully protected only a hazard's order counts, in P08
select
  *,
  case
    when is_objection_upheld then 'overturned'
    when community_id is null and uscc is null then 'no_community'
    when uscc is null then 'no_manager'
    when not is_of_enterprise then 'no_enterprise'
    when not is_confirmed then 'not_confirmed'
    when line_type_code = 'summary' and not coalesce(checked_item_count > 0, false) then 'nothing_checked'
    when protection_weight = 0 then 'protected'
  end as not_counted_code
from attributed
