{{ latest_as_known(
  source('raw', 'related_party_keys'),
  key=['relation_id'],
  columns=['relation_id', 'uscc', 'party_key', 'relation_code', 'valid_from', 'valid_to'],
  feed='related_parties',
) }}
