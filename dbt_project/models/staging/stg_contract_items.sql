{{ latest_as_known(
  source('raw', 'contract_items'),
  key=['contract_id', 'line_no'],
  columns=[
    'contract_id',
    'line_no',
    'item_code',
    'agreed_on',
    'service_level',
    'fee_per_m2',
    'is_extra',
  ],
  leaves=true,
) }}
