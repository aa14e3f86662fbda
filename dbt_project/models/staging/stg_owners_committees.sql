{{ latest_as_known(
  source('raw', 'owners_committees'),
  key=['committee_id'],
  columns=[
    'committee_id', 'community_id', 'committee_kind_code', 'formed_on', 'dissolved_on', 'member_count',
    'party_member_count', 'training_year', 'training_count',
  ],
) }}
