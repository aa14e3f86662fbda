{{ latest_as_known(
  source('raw', 'disputes'),
  key=['dispute_id'],
  columns=[
    'dispute_id',
    'community_id',
    'uscc',
    'origin_code',
    'complexity_code',
    'level_code',
    'received_on',
    'due_on',
    'escalated_on',
    'answered_on',
    'closed_on',
    'outcome_code',
    'mediation_id',
  ],
) }}
