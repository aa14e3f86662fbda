-- No fact carries an event after the business date, so that any night can be rebuilt as it was.
select 'fct_complaints' as model, complaint_id as id, submitted_on as event_on
from {{ rows_to_test(ref('fct_complaints')) }} as complaints
where submitted_on > {{ business_date() }}
union all
select 'fct_inspection_lines', inspection_id || '/' || line_code, inspected_on
from {{ rows_to_test(ref('fct_inspection_lines')) }} as inspection_lines
where inspected_on > {{ business_date() }}
union all
select 'fct_fund_entries', entry_id, booked_on
from {{ rows_to_test(ref('fct_fund_entries')) }} as fund_entries
where booked_on > {{ business_date() }}
