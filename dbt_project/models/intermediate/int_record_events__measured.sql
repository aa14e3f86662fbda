-- depends_on: {{ ref('int_exposures__counted') }}
-- What each public credit record adds to P01, P04, P07, P09, P11, M14 and G02.
with records as (

  select * from {{ ref('int_credit_records__weighted') }} where is_standing

),

enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

{%- set counts_projects_of_the_month = var('counting').penalty_projects == 'of_the_month' %}
{%- if counts_projects_of_the_month %}

-- as many projects as the month's households are spread over: of equal ones each counts, a splinter adds next to nothing
monthly_projects as (

  select
    uscc,
    slot_starts_on,
    slot_ends_on,
    sum(household_months) * sum(household_months) / nullif(sum(household_months * household_months), 0) as project_count
  from {{ ref('int_exposures__counted') }}
  group by uscc, slot_starts_on, slot_ends_on

),
{%- endif %}

penalties as (

  select
    records.uscc,
    'P01' as indicator_code,
    {{ window_months('P01') }} as window_months,
    records.record_id,
    records.decided_on as event_on,
    -- a serious one counts in full, the others against ten projects
    {{ severity_weight('P01', 'records.tier_code') }} * records.decay_weight
      / case
        when records.tier_code = 'serious' then 1
        {%- if counts_projects_of_the_month %}
        else greatest(1, coalesce(monthly_projects.project_count, 0) / 10.0)
        {%- else %}
        else greatest(1, enterprises.recent_project_count / 10.0)
        {%- endif %}
      end as numerator,
    0 as denominator,
    records.record_type_code as summary_code
  from records
  inner join enterprises
    on enterprises.uscc = records.uscc
  {%- if counts_projects_of_the_month %}
  left join monthly_projects
    on monthly_projects.uscc = records.uscc
    and records.decided_on between monthly_projects.slot_starts_on and monthly_projects.slot_ends_on
  {%- endif %}
  where records.record_type_code in ('{{ var("counting").penalty_record_types | join("', '") }}')
    and {{ in_window('records.decided_on', window_months('P01')) }}

),

fund_breaches as (

  select
    uscc,
    'P04' as indicator_code,
    {{ window_months('P04') }} as window_months,
    record_id,
    decided_on as event_on,
    {{ severity_weight('P04', 'record_type_code') }} * decay_weight as numerator,
    1 as denominator,
    record_type_code as summary_code
  from records
  where record_type_code in ('fund_procedure', 'fund_misuse') and {{ in_window('decided_on', window_months('P04')) }}

),

overcharging as (

  select
    uscc,
    'P07' as indicator_code,
    {{ window_months('P07') }} as window_months,
    record_id,
    decided_on as event_on,
    {{ 'decay_weight' if var('counting').overcharging_decays else 1 }} as numerator,
    0 as denominator,
    record_type_code as summary_code
  from records
  where record_type_code = 'overcharging' and {{ in_window('decided_on', window_months('P07')) }}

),

arrears as (

  select
    uscc,
    'M14' as indicator_code,
    {{ window_months('M14') }} as window_months,
    record_id,
    decided_on as event_on,
    decay_weight as numerator,
    0 as denominator,
    record_type_code as summary_code
  from records
  where record_type_code = 'wage_arrears' and {{ in_window('decided_on', window_months('M14')) }}

),

-- what is lost from the full state: in force (or injured) all of it, settled late (or nobody hurt) half
states_lost as (

  select
    uscc,
    'P11' as indicator_code,
    0 as window_months,
    record_id,
    decided_on as event_on,
    case when is_ended then 0.5 else 1 end as state_lost,
    record_type_code as summary_code
  from records
  where record_type_code = 'judgment' and (not is_ended or {{ in_window('ended_on', window_months('P12')) }})
  union all
  select
    uscc,
    'P09' as indicator_code,
    {{ window_months('P09') }} as window_months,
    record_id,
    decided_on as event_on,
    -- nobody hurt; where the authority gave no number, its tier says so
    case
      when record_type_code = 'accident' and (injured_count = 0 or injured_count is null and tier_code = 'minor') then 0.5
      else 1
    end as state_lost,
    record_type_code as summary_code
  from records
  where record_type_code in ('accident', 'fatal_accident')
    and {{ in_window('decided_on', window_months('P09')) }}

),

commendations as (

  select
    uscc,
    'G02' as indicator_code,
    {{ window_months('G02') }} as window_months,
    record_id,
    decided_on as event_on,
    1 as numerator,
    0 as denominator,
    record_type_code as summary_code
  from records
  -- an award that was paid for is none
  where record_type_code = 'commendation' and coalesce(amount_cny, 0) = 0
    and {{ in_window('decided_on', window_months('G02')) }}

),

unioned as (

  select *, numerator as adverse_weight from penalties
  union all
  select *, numerator as adverse_weight from fund_breaches
  union all
  select *, numerator as adverse_weight from overcharging
  union all
  select *, numerator as adverse_weight from arrears
  union all
  select
    uscc,
    indicator_code,
    window_months,
    record_id,
    event_on,
    -- only the worst record decides the state; the others are evidence without a second deduction
    case
      when row_number() over (partition by uscc, indicator_code order by state_lost desc, event_on desc, record_id) = 1
        then -state_lost
      else 0
    end as numerator,
    0 as denominator,
    summary_code,
    state_lost as adverse_weight
  from states_lost
  union all
  select *, 0 as adverse_weight from commendations

)

select
  uscc,
  indicator_code,
  window_months,
  record_id as evidence_id,
  'all' as stratum_code,
  'public_credit' as evidence_feed,
  event_on,
  round(numerator, 6) as numerator,
  round(denominator::numeric, 6) as denominator,
  round(adverse_weight, 6) as adverse_weight,
  summary_code
from unioned
