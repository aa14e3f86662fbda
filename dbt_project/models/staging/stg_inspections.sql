{{ latest_as_known(
  source('raw', 'inspections'),
  key=['inspection_id', 'line_code'],
  columns=[
    'inspection_id', 'line_code', 'line_type_code', 'community_id', 'uscc', 'object_id', 'inspected_on',
    'authority_code', 'inspection_type_code', 'checked_item_count', 'failed_item_count', 'overall_score',
    'item_name', 'severity_code', 'is_hazard', 'order_due_on', 'rectified_on', 'is_confirmed',
  ],
) }}
