-- The decision that stands for each alert. A decision is known to nights after the newest one that was built when it was
-- made, so that a night that was graded is rebuilt as it was, whatever had arrived: no instant needs to be kept for it.
select distinct on (alert_id)
  alert_id,
  decision_number,
  state_code,
  decided_by,
  decided_on,
  document_no,
  record_id,
  kind_code,
  uscc,
  community_id,
  first_on,
  known_on
from {{ source('supervision', 'alert_decisions') }}
where known_on <= {{ as_of() }}
order by
  alert_id,
  decision_number desc
