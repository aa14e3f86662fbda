{{ latest_as_known(
  source('raw', 'tenders'),
  key=['tender_id'],
  columns=[
    'tender_id',
    'community_id',
    'stage_code',
    'method_code',
    'announced_on',
    'opened_on',
    'awarded_on',
    'uscc',
    'approved_on',
    'approval_no',
  ],
) }}
