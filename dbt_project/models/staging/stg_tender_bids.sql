{{ latest_as_known(
  source('raw', 'tender_bids'),
  key=['tender_id', 'uscc'],
  columns=[
    'tender_id',
    'uscc',
    'scored_on',
    'price_per_m2',
    'is_valid',
    'technical_score',
    'business_score',
    'credit_score',
    'total_score',
    'claimed_grade',
  ],
) }}
