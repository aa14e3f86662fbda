{{ latest_as_known(
  source('raw', 'inspectors'),
  key=['inspector_code', 'region_code'],
  columns=[
    'inspector_code', 'region_code', 'authority_code', 'active_from', 'active_until',
  ],
) }}
