-- depends_on: {{ ref('int_inspections__touched') }}
-- depends_on: {{ ref('int_inspection_lines__attributed') }}
-- Months whose inspections differ from those of the last build, or may: of a touched line as it was, of all lines of
-- its inspection as they are, of an order that fell due. Empty in a full build.
{%- if is_increment() %}
with lines as not materialized (

  select * from {{ ref('int_inspection_lines__attributed') }}

),

touched as (

  select * from {{ ref('int_inspections__touched') }}

),

days as (

  select inspected_on from touched where inspected_on is not null
  union
  select inspected_on from lines where inspection_id in (select inspection_id from touched)
  union
  select inspected_on
  from lines
  where order_due_on > {{ previous_business_date() }} and order_due_on <= {{ business_date() }}

)

select distinct date_trunc('month', inspected_on::timestamp)::date as month
from days
{%- else %}
select inspected_on as month from {{ ref('int_inspection_lines__attributed') }} where false
{%- endif %}
