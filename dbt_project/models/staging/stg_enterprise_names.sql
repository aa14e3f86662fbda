{{ latest_as_known(
  source('raw', 'enterprise_name_keys'),
  key=['uscc'],
  columns=['uscc', 'name_key'],
  feed='enterprises',
) }}
