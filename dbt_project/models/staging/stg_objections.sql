{{ latest_as_known(
  source('raw', 'objections'),
  key=['objection_id'],
  columns=[
    'objection_id', 'uscc', 'target_type_code', 'target_id', 'filed_on', 'marked_on', 'forwarded_on',
    'decided_on', 'outcome_code',
  ],
) }}
