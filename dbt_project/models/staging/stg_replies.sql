{{ latest_as_known(
  source('raw', 'replies'),
  key=['reply_id'],
  columns=['reply_id', 'uscc', 'statement', 'filed_on', 'withdrawn_on'],
) }}
