{{ latest_as_known(
  source('raw', 'contract_terms'),
  key=['contract_id'],
  columns=[
    'contract_id',
    'registered_on',
    'template_code',
    'template_version',
    'deviation_count',
    'fee_per_m2',
  ],
  leaves=true,
) }}
