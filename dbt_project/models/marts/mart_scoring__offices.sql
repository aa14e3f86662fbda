-- How far each district's office says what it has to say of complaints: whose fault, and whether they are true. An office that
-- leaves findings out decides grades by silence, so its share is watched.
with complaints as (

  select
    *,
    submitted_on + {{ var('counting').deemed_confirmed_after_days or 30 }} <= {{ business_date() }} as is_due
  from {{ ref('int_complaints__attributed') }}
  where {{ in_window('submitted_on', window_months('M01')) }}
    and {{ is_own_matter() }} and region_code is not null

)

select
  region_code,
  count(*) filter (where is_due) as due_count,
  count(*) filter (where is_due and coalesce(responsible_party_code, 'undetermined') = 'undetermined') as undetermined_count,
  count(*) filter (where is_due and responsible_party_code = 'property') as property_count,
  count(*) filter (where is_due and responsible_party_code = 'property' and is_without_finding) as without_finding_count
from complaints
group by region_code
