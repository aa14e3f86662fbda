{{ latest_as_known(
  source('raw', 'public_credit'),
  key=['record_id'],
  follows='heir_uscc',
  columns=[
    'record_id', 'uscc', 'record_type_code', 'tier_code', 'community_id', 'decided_on', 'authority_name',
    'legal_basis', 'decision_no', 'served_on', 'is_final', 'shown_from', 'ended_on', 'repaired_on',
    'revoked_on', 'amount', 'accident_level_code', 'injured_count', 'hearing_or_waiver_code', 'exit_on',
  ],
) }}
