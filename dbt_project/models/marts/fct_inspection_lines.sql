with lines as (

  select * from {{ ref('int_inspection_lines__attributed') }}

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
  stratum_code,
  protection_weight
from lines
