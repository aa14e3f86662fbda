{{ latest_as_known(
  source('raw', 'lifts'),
  key=['lift_id', 'inspected_on'],
  columns=[
    'lift_id', 'community_id', 'origin_code', 'in_use_from', 'out_of_use_on', 'inspected_on', 'valid_until',
    'result_code',
  ],
) }}
