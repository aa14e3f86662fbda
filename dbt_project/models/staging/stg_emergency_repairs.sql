{{ latest_as_known(
  source('raw', 'emergency_repairs'),
  key=['emergency_id'],
  columns=['emergency_id', 'community_id', 'use_code', 'occurred_on', 'filed_on', 'recognised_on'],
) }}
