{{ latest_as_known(
  source('raw', 'reporting_records'),
  key=['report_id'],
  columns=[
    'report_id', 'uscc', 'report_type_code', 'period_start_on', 'due_on', 'submitted_on', 'checked_item_count',
    'wrong_item_count',
  ],
) }}
