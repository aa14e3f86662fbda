{{ latest_as_known(
  source('raw', 'funds'),
  key=['entry_id'],
  columns=[
    'entry_id', 'account_no', 'account_type_code', 'community_id', 'uscc', 'booked_on', 'amount',
    'currency_code', 'balance', 'purpose_code', 'voucher_no', 'vote_id', 'is_emergency', 'emergency_id',
  ],
  indexed=[{'columns': ['account_no', 'booked_on']}],
) }}
