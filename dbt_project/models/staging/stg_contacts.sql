{{ latest_as_known(
  source('raw', 'contacts'),
  key=['contact_id'],
  columns=[
    'contact_id',
    'area_code',
    'uscc',
    'post_code',
    'telephone',
    'valid_from',
    'valid_until',
  ],
) }}
