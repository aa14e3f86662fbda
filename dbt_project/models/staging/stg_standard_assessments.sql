{{ latest_as_known(
  source('raw', 'standard_assessments'),
  key=['assessment_id'],
  columns=[
    'assessment_id', 'community_id', 'uscc', 'assessed_on', 'standard_edition', 'service_level', 'item_count',
    'conforming_item_count',
  ],
) }}
