{{ latest_as_known(
  source('raw', 'community_events'),
  key=['event_id'],
  columns=[
    'event_id',
    'event_code',
    'community_id',
    'other_community_id',
    'other_name',
    'effective_on',
    'authority_name',
    'decision_no',
    'status_code',
  ],
) }}
