{{ config(
  materialized='incremental',
  incremental_strategy='append',
  unique_key=['region_code', 'month', 'authority_code', 'inspection_type_code'],
  pre_hook="{{ without_touched('int_inspection_months__touched', ['month']) }}",
  on_schema_change='fail',
) }}
-- depends_on: {{ ref('int_inspection_months__touched') }}
-- What inspections found, by where, when, who and what kind. A visit is a community and day: several authorities on the
-- same day are one visit (综合查一次), what that saved is counted with each of them by its share.
with lines as not materialized (

  select * from {{ ref('fct_inspection_lines') }}

),

ancestors as (

  select * from {{ ref('int_region_ancestors__expanded') }}

),

inspections as (

  select
    inspection_id,
    community_id,
    region_code,
    inspected_on,
    coalesce(authority_code, 'other') as authority_code,
    coalesce(inspection_type_code, 'other') as inspection_type_code,
    checked_item_count,
    failed_item_count
  from lines
  {%- if is_incremental() %}
  inner join {{ ref('int_inspection_months__touched') }} as touched
    on lines.inspected_on >= touched.month and lines.inspected_on < touched.month + interval '1 month'
  {%- endif %}
  where line_type_code = 'summary' and region_code is not null

),

visits as (

  select
    community_id,
    inspected_on,
    count(distinct authority_code) as authority_count
  from inspections
  group by community_id, inspected_on

),

findings as (

  select
    inspection_id,
    count(*) as finding_count,
    count(*) filter (where severity_code = 'serious' and is_confirmed and not is_objection_upheld)
      as confirmed_serious_count,
    count(*) filter (where order_due_on <= {{ business_date() }}) as due_order_count,
    count(*) filter (where order_due_on <= {{ business_date() }} and not is_overdue) as on_time_order_count
  from lines
  where line_type_code = 'finding' and inspection_id in (select inspection_id from inspections)
  group by inspection_id

),

measured as (

  select
    inspections.region_code,
    date_trunc('month', inspections.inspected_on::timestamp)::date as month,
    inspections.authority_code,
    inspections.inspection_type_code,
    inspections.checked_item_count,
    coalesce(inspections.failed_item_count, findings.finding_count, 0) as failed_item_count,
    coalesce(findings.confirmed_serious_count, 0) as confirmed_serious_count,
    coalesce(findings.due_order_count, 0) as due_order_count,
    coalesce(findings.on_time_order_count, 0) as on_time_order_count,
    visits.authority_count,
    1 - 1.0 / visits.authority_count as saved_visits
  from inspections
  inner join visits
    on visits.community_id = inspections.community_id and visits.inspected_on = inspections.inspected_on
  left join findings
    on findings.inspection_id = inspections.inspection_id

)

select
  ancestors.ancestor_region_code as region_code,
  measured.month,
  measured.authority_code,
  measured.inspection_type_code,
  count(*) as inspection_count,
  sum(measured.checked_item_count)::bigint as checked_item_count,
  sum(measured.failed_item_count)::bigint as failed_item_count,
  count(*) filter (where measured.failed_item_count = 0) as clean_inspection_count,
  round(count(*) filter (where measured.failed_item_count = 0) / count(*)::numeric, 4) as clean_inspection_ratio,
  sum(measured.confirmed_serious_count)::bigint as confirmed_serious_count,
  sum(measured.due_order_count)::bigint as due_order_count,
  sum(measured.on_time_order_count)::bigint as on_time_order_count,
  round(sum(measured.on_time_order_count) / nullif(sum(measured.due_order_count), 0), 4) as on_time_order_ratio,
  count(*) filter (where measured.authority_count > 1) as joint_inspection_count,
  round(sum(measured.saved_visits), 4) as saved_visit_count
from measured
inner join ancestors
  on ancestors.region_code = measured.region_code
group by ancestors.ancestor_region_code, measured.month, measured.authority_code, measured.inspection_type_code
