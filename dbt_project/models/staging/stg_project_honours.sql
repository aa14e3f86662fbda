{{ latest_as_known(
  source('raw', 'project_honours'),
  key=['honour_id'],
  columns=[
    'honour_id', 'community_id', 'uscc', 'honour_code', 'standard_edition', 'granted_on', 'valid_until',
    'revoked_on',
  ],
) }}
