{{ latest_as_known(
  source('raw', 'inspector_ties'),
  key=['inspector_code', 'uscc', 'relation_code'],
  columns=[
    'inspector_code', 'uscc', 'relation_code', 'starts_on', 'ends_on',
  ],
) }}
