{{ latest_as_known(
  source('raw', 'mediations'),
  key=['mediation_id'],
  columns=[
    'mediation_id', 'community_id', 'uscc', 'topic_code', 'agreed_on', 'due_on', 'performed_on', 'outcome_code',
    'level_code',
  ],
) }}
