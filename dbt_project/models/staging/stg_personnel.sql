{{ latest_as_known(
  source('raw', 'personnel'),
  key=['staff_id'],
  columns=[
    'staff_id', 'uscc', 'post_code', 'hired_on', 'left_on', 'pre_job_trained_on', 'continuing_trained_on',
    'continuing_hours',
  ],
) }}
