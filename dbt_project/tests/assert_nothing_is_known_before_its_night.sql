-- No fact carries an event after the business date, so that any night can be rebuilt as it was.
select 'fct_complaints' as model, complaint_id as id, submitted_on as event_on
from {{ ref('fct_complaints') }}
where submitted_on > {{ business_date() }}
union all
select 'fct_inspection_lines', inspection_id || '/' || line_code, inspected_on
from {{ ref('fct_inspection_lines') }}
where inspected_on > {{ business_date() }}
union all
select 'fct_fund_entries', entry_id, booked_on
from {{ ref('fct_fund_entries') }}
where booked_on > {{ business_date() }}
