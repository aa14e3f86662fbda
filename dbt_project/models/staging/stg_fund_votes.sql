{{ latest_as_known(
  source('raw', 'fund_votes'),
  key=['vote_id'],
  columns=[
    'vote_id', 'community_id', 'purpose_code', 'decided_on', 'owner_count', 'owner_area_m2', 'voting_owner_count',
    'voting_area_m2', 'approving_owner_count', 'approving_area_m2', 'approved_amount',
  ],
) }}
