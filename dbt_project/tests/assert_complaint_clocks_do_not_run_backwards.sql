-- A complaint is answered, handled and resolved after it came; the score clock is never longer than the supervision clock.
select complaint_id
from {{ rows_to_test(ref('fct_complaints')) }} as complaints
where response_minutes < 0
  or handling_minutes < 0
  or resolution_minutes < 0
  or score_resolution_minutes > resolution_minutes
