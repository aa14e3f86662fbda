{{ latest_as_known(
  source('raw', 'handovers'),
  key=['handover_id'],
  columns=[
    'handover_id', 'contract_id', 'community_id', 'uscc', 'due_on', 'completed_on', 'are_documents_complete',
    'are_facilities_complete', 'are_accounts_complete', 'is_street_present',
  ],
) }}
