{{ latest_as_known(
  source('raw', 'mashangban_enrolments'),
  key=['community_id'],
  columns=[
    'community_id', 'enrolled_on', 'withdrawn_on',
  ],
) }}
