{{ latest_as_known(
  source('raw', 'joint_meetings'),
  key=['street_code'],
  columns=[
    'street_code',
    'established_on',
    'ended_on',
    'last_met_on',
  ],
) }}
