{#- G01. Expected complaints are household-months times the stratum's λ. The two periods compared cover the same calendar
    months of one community, so λ, households and season cancel: O/E falls as O does. No rate is estimated here. -#}
{%- set takeover = var('takeover') -%}
-- Old and abandoned communities that a firm took over within the window and still holds: improved when complaints fell
-- against the time before, and owners are as satisfied as in the stratum.
with contracts as (

  select * from {{ ref('stg_contracts') }}

),

communities as (

  select * from {{ ref('stg_communities') }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }}

),

surveys as (

  select * from {{ ref('int_surveys__attributed') }} where {{ in_window('surveyed_on', window_months('M06'), counted_until('surveys')) }}

),

-- before a take-over there may have been nobody to be responsible
complaints as (

  select
    community_id,
    submitted_on,
    is_confirmed and {{ is_own_matter() }} and not is_objection_upheld
    and (responsible_party_code = 'property' or responsible_party_code = 'undetermined' and uscc is null)
      as is_counted
  from {{ ref('int_complaints__attributed') }}

),

coverage as (

  select min(submitted_on) as complaints_from
  from {{ ref('int_complaints__attributed') }}

),

first_takeovers as (

  select distinct on (contracts.uscc, contracts.community_id)
    contracts.uscc,
    contracts.community_id,
    contracts.contract_id,
    contracts.starts_on
  from contracts
  inner join communities
    on communities.community_id = contracts.community_id
  where contracts.is_takeover
    and contracts.takeover_certified_on <= {{ business_date() }}
    and communities.community_type_code in ('old', 'abandoned')
  order by contracts.uscc, contracts.community_id, contracts.starts_on, contracts.contract_id

),

-- held without a gap from the first day until tonight
held as (

  select
    first_takeovers.uscc,
    first_takeovers.community_id,
    first_takeovers.contract_id,
    first_takeovers.starts_on,
    floor({{ months_between('first_takeovers.starts_on', business_date() ~ ' + 1') }} / 12)::integer as years_held
  from first_takeovers
  inner join spells
    on spells.community_id = first_takeovers.community_id
    and spells.uscc = first_takeovers.uscc
    and spells.ends_on >= first_takeovers.starts_on
  where {{ in_window('first_takeovers.starts_on', window_months('G01')) }}
    and first_takeovers.starts_on <= ({{ business_date() }} + 1 - interval '{{ takeover.held_months }} months')::date
  group by first_takeovers.uscc, first_takeovers.community_id, first_takeovers.contract_id, first_takeovers.starts_on
  having sum(spells.ends_on - greatest(spells.starts_on, first_takeovers.starts_on) + 1)
    = {{ business_date() }} - first_takeovers.starts_on + 1

),

periods as (

  select
    held.*,
    greatest(
      (held.starts_on - interval '{{ takeover.comparison_months }} months')::date, coverage.complaints_from
    ) as before_from,
    (held.starts_on + held.years_held * interval '1 year')::date as after_until
  from held
  cross join coverage

),

compared as (

  select
    periods.uscc,
    periods.community_id,
    periods.contract_id,
    periods.starts_on,
    periods.before_from
      <= (periods.starts_on - interval '{{ takeover.least_comparison_months }} months')::date as is_comparable,
    count(complaints.submitted_on) filter (
      where complaints.submitted_on >= periods.before_from and complaints.submitted_on < periods.starts_on
    ) as before_count,
    count(complaints.submitted_on) filter (
      where complaints.submitted_on >= (periods.before_from + periods.years_held * interval '1 year')::date
        and complaints.submitted_on < periods.after_until
    ) as after_count
  from periods
  left join complaints
    on complaints.community_id = periods.community_id and complaints.is_counted
  group by periods.uscc, periods.community_id, periods.contract_id, periods.starts_on, periods.before_from

),

stratum_means as (

  select
    stratum_code,
    sum(response_count * satisfaction_score) / nullif(sum(response_count), 0) as mean_score
  from surveys
  group by stratum_code

),

satisfied as (

  select
    surveys.uscc,
    surveys.community_id,
    sum(surveys.response_count * surveys.satisfaction_score)
      >= sum(surveys.response_count * stratum_means.mean_score) as is_satisfied
  from surveys
  inner join stratum_means
    on stratum_means.stratum_code = surveys.stratum_code
  where surveys.response_count > 0
  group by surveys.uscc, surveys.community_id

),

judged as (

  select
    compared.uscc,
    compared.contract_id,
    compared.starts_on,
    compared.is_comparable
      and compared.before_count >= {{ takeover.least_complaints }}
      and compared.after_count <= (1 - {{ takeover.reduction_from }}) * compared.before_count
      and coalesce(satisfied.is_satisfied, false) as is_improved
  from compared
  left join satisfied
    on satisfied.uscc = compared.uscc and satisfied.community_id = compared.community_id

)

select
  uscc,
  'G01' as indicator_code,
  {{ window_months('G01') }} as window_months,
  contract_id as evidence_id,
  'all' as stratum_code,
  'contracts' as evidence_feed,
  starts_on as event_on,
  coalesce(is_improved, false)::integer::numeric as numerator,
  1::numeric as denominator,
  0::numeric as adverse_weight,
  case when is_improved then 'improved' else 'not_shown' end as summary_code
from judged
