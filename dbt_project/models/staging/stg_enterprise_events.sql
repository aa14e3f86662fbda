{{ latest_as_known(
  source('raw', 'enterprise_events'),
  key=['event_id'],
  columns=[
    'event_id',
    'event_code',
    'uscc',
    'other_uscc',
    'other_name',
    'effective_on',
    'authority_name',
    'decision_no',
    'status_code',
    'local_no',
  ],
) }}
