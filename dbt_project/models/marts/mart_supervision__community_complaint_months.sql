-- B 19: a community's complaints of a month; whether its last months stand out of what chance and the usual spread
-- between communities explain (a funnel, not a league table); whether a few people wrote them.
-- Limits: Spiegelhalter, "Funnel plots for comparing institutional performance", Stat Med 2005;24:1185, and "Handling
-- over-dispersion of performance indicators", Qual Saf Health Care 2005;14:347: square roots, z winsorised at 10 %, the
-- spread between communities (tau squared) by the method of moments, added to what chance gives.
{%- set want = var('monitoring') %}
{%- set needed_from = '(' ~ monitored_from() ~ " - interval '" ~ (want.window_months - 1) ~ " months')::date" %}
with exposed as (

  select * from {{ ref('int_community_months__exposed') }} where month_on >= {{ needed_from }}

),

counted as (

  select * from {{ ref('int_complaint_months__counted') }} where month_on >= {{ needed_from }}

),

communities as (

  select * from {{ ref('stg_communities') }}

),

reporters as (

  select * from {{ ref('stg_complaint_reporters') }}

),

exposures as (

  select
    community_id,
    month_on,
    max(region_code) as region_code,
    max(stratum_code) as stratum_code,
    sum(household_months) as household_months
  from exposed
  group by community_id, month_on

),

complained as (

  select
    community_key as community_id,
    month_on,
    sum(complaint_count)::bigint as complaint_count,
    sum(repeat_count)::bigint as repeat_count,
    sum(resolution_due_count)::bigint as resolution_due_count,
    sum(resolved_within_24h_count)::bigint as resolved_within_24h_count
  from counted
  group by community_key, month_on

),

monthly as (

  select
    exposures.community_id,
    exposures.month_on,
    exposures.region_code,
    left(exposures.region_code, 4) as city_prefix,
    exposures.stratum_code,
    exposures.household_months,
    coalesce(complained.complaint_count, 0) as complaint_count,
    coalesce(complained.repeat_count, 0) as repeat_count,
    coalesce(complained.resolution_due_count, 0) as resolution_due_count,
    coalesce(complained.resolved_within_24h_count, 0) as resolved_within_24h_count,
    sum(coalesce(complained.complaint_count, 0)) over months_before as observed_count,
    sum(exposures.household_months) over months_before as exposure
  from exposures
  left join complained
    on complained.community_id = exposures.community_id and complained.month_on = exposures.month_on
  window months_before as (
    partition by exposures.community_id order by exposures.month_on
    rows between {{ want.window_months - 1 }} preceding and current row
  )

),

recent as (

  select * from monthly where month_on >= {{ monitored_from() }}

),

cities as (

  select
    city_prefix,
    month_on,
    sum(observed_count) as observed_count,
    sum(exposure) as exposure
  from recent
  group by city_prefix, month_on

),

strata as (

  select
    city_prefix,
    month_on,
    stratum_code,
    sum(observed_count) as observed_count,
    sum(exposure) as exposure
  from recent
  group by city_prefix, month_on, stratum_code

),

-- a stratum's rate in its city; a thin one borrows from the city as a whole
expected as (

  select
    recent.*,
    round(
      recent.exposure * (strata.observed_count + {{ want.borrowed_complaints }})
      / nullif(strata.exposure + {{ want.borrowed_complaints }} * cities.exposure / nullif(cities.observed_count, 0), 0),
      6
    ) as expected_count
  from recent
  inner join cities
    on cities.city_prefix = recent.city_prefix and cities.month_on = recent.month_on
  inner join strata
    on strata.city_prefix = recent.city_prefix
    and strata.month_on = recent.month_on
    and strata.stratum_code = recent.stratum_code

),

scored as (

  select
    city_prefix,
    month_on,
    expected_count,
    2 * (sqrt(observed_count::numeric) - sqrt(expected_count)) as z
  from expected
  where expected_count >= {{ want.least_expected }}

),

-- a few rows a month, worked out once: the planner takes `expected` for one row and would work them out for each of it
bounds as materialized (

  select
    city_prefix,
    month_on,
    percentile_disc(0.1) within group (order by z) as lowest_z,
    percentile_disc(0.9) within group (order by z) as highest_z
  from scored
  group by city_prefix, month_on

),

spreads as (

  select
    scored.city_prefix,
    scored.month_on,
    count(*) as judged_count,
    sum(
      greatest(least(scored.z, bounds.highest_z), bounds.lowest_z)
      * greatest(least(scored.z, bounds.highest_z), bounds.lowest_z)
    ) as squares,
    sum(4 * scored.expected_count) as weights,
    sum(16 * scored.expected_count * scored.expected_count) as squared_weights
  from scored
  inner join bounds
    on bounds.city_prefix = scored.city_prefix and bounds.month_on = scored.month_on
  group by scored.city_prefix, scored.month_on

),

between_communities as materialized (

  select
    city_prefix,
    month_on,
    coalesce(greatest((squares - (judged_count - 1)) / nullif(weights - squared_weights / weights, 0), 0), 0)
      as tau_squared
  from spreads

),

limited as (

  select
    expected.*,
    {% for name, quantile in [('upper_95_count', 1.959964), ('upper_998_count', 3.090232)] -%}
    case
      when expected.expected_count >= {{ want.least_expected }} then round(
        expected.expected_count
        * (1 + {{ quantile }} * sqrt(1 / (4 * expected.expected_count) + between_communities.tau_squared))
        * (1 + {{ quantile }} * sqrt(1 / (4 * expected.expected_count) + between_communities.tau_squared)), 2)
    end as {{ name }}{{ "," if not loop.last }}
    {% endfor %}
  from expected
  left join between_communities
    on between_communities.city_prefix = expected.city_prefix and between_communities.month_on = expected.month_on

)

select
  limited.community_id,
  limited.month_on as month,
  limited.region_code,
  communities.street_code,
  limited.stratum_code,
  limited.household_months,
  limited.complaint_count,
  round(limited.complaint_count * 1000 / nullif(limited.household_months, 0), 4)
    as complaints_per_1k_household_months,
  limited.repeat_count,
  limited.resolution_due_count,
  limited.resolved_within_24h_count,
  limited.observed_count::bigint as window_complaint_count,
  round(limited.expected_count, 2) as window_expected_count,
  limited.upper_95_count,
  limited.upper_998_count,
  coalesce(limited.observed_count > limited.upper_95_count, false) as is_above_95,
  coalesce(limited.observed_count > limited.upper_998_count, false) as is_hotspot,
  reporters.reporter_count,
  round(reporters.largest_reporter_count / nullif(reporters.complaint_count, 0)::numeric, 4) as largest_reporter_ratio,
  coalesce(
    reporters.complaint_count >= {{ want.flood.complaints_from }}
    and (
      reporters.largest_reporter_count >= {{ want.flood.largest_ratio_from }} * reporters.complaint_count
      or reporters.complaint_count >= {{ want.flood.per_reporter_from }} * nullif(reporters.reporter_count, 0)
    ),
    false
  ) as is_flooded
from limited
inner join communities
  on communities.community_id = limited.community_id
left join reporters
  on reporters.community_id = limited.community_id and reporters.month_on = limited.month_on
