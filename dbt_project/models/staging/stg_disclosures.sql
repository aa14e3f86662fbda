{{ latest_as_known(
  source('raw', 'disclosures'),
  key=['disclosure_id'],
  columns=[
    'disclosure_id', 'community_id', 'uscc', 'disclosure_class_code', 'period_start_on', 'published_on',
    'is_verified',
  ],
  indexed=[{'columns': ['published_on']}, {'columns': ['period_start_on']}],
) }}
