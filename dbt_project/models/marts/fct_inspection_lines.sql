{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=['inspection_id', 'line_code'],
  indexes=[
    {'columns': ['inspected_on']},
    {'columns': ['order_due_on']},
    {'columns': ['line_type_code', 'rectified_on']},
  ],
  on_schema_change='fail',
) }}
-- depends_on: {{ ref('int_inspections__touched') }}
with lines as (

  select *
  from {{ ref('int_inspection_lines__attributed') }}
  {%- if is_incremental() %}
  where (inspection_id, line_code) in (select inspection_id, line_code from {{ ref('int_inspections__touched') }})
  {%- endif %}

)

select
  inspection_id,
  line_code,
  line_type_code,
  community_id,
  region_code,
  uscc,
  inspected_on,
  authority_code,
  inspection_type_code,
  checked_item_count,
  failed_item_count,
  severity_code,
  is_hazard,
  order_due_on,
  rectified_on,
  is_overdue,
  is_confirmed,
  is_objection_upheld,
  not_counted_code,
  stratum_code,
  protection_weight
from lines
