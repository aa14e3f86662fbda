-- A repaired, revoked or overturned record has no weight left anywhere: neither in a count nor as a cap.
select
  records.record_id,
  records.uscc
from {{ ref('int_credit_records__weighted') }} as records
left join {{ ref('int_record_events__measured') }} as events
  on events.evidence_id = records.record_id and events.uscc = records.uscc
left join {{ ref('mart_scoring__caps') }} as caps
  on caps.evidence_id = records.record_id and caps.uscc = records.uscc
where not records.is_standing
  and (records.decay_weight > 0 or events.evidence_id is not null or caps.evidence_id is not null)
