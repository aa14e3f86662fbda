{{ latest_as_known(
  source('raw', 'surveys'),
  key=['survey_id', 'community_id'],
  columns=[
    'survey_id', 'community_id', 'uscc', 'surveyed_on', 'agency_name', 'response_count', 'satisfaction_score',
  ],
) }}
