{{ latest_as_known(
  source('raw', 'fund_counterparties'),
  key=['entry_id'],
  columns=['entry_id', 'party_key'],
  feed='funds',
) }}
