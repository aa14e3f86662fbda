{{ latest_as_known(
  source('raw', 'complaints'),
  key=['complaint_id'],
  columns=[
    'complaint_id', 'channel_code', 'community_id', 'region_code', 'category_code', 'responsible_party_code',
    'status_code', 'submitted_at', 'responded_at', 'handled_at', 'resolved_at', 'closed_at', 'paused_minutes',
    'is_confirmed', 'callback_result_code', 'repeat_of_id', 'escalated_at', 'pause_reason_code',
    'is_pause_approved', 'same_matter_as_id', 'is_coercion_suspected', 'least(updated_at, ' ~ arrived_by() ~ ') as changed_at',
  ],
  indexed=[{'columns': ['repeat_of_id']}, {'columns': ['same_matter_as_id']}, {'columns': ['community_id', 'submitted_at']}],
) }}
