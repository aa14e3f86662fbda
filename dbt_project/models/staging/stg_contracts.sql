{{ latest_as_known(
  source('raw', 'contracts'),
  key=['contract_id'],
  columns=[
    'contract_id', 'community_id', 'uscc', 'starts_on', 'ends_on', 'ended_on', 'end_reason_code',
    'notice_given_on', 'filed_on', 'is_filing_complete', 'service_standard_edition', 'service_level',
    'is_takeover', 'takeover_certified_on', 'street_informed_on',
    'effective_on', 'change_code',
  ],
) }}
