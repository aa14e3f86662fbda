with enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

exposures as (

  select * from {{ ref('int_exposure_events__measured') }}

),

complaints as (

  select * from {{ ref('int_complaint_windows__counted') }}

),

{% set events = [
  'inspection', 'record', 'fund', 'disclosure', 'register', 'lift', 'rating', 'conformity', 'takeover',
  'alert', 'own',
] -%}
unioned as (

  {% for event in events -%}
  select
    uscc,
    indicator_code,
    stratum_code,
    window_months,
    sum(numerator) as numerator,
    sum(denominator) as denominator
  from {{ ref('int_' ~ event ~ '_events__measured') }}
  group by uscc, indicator_code, stratum_code, window_months
  union all
  {% endfor -%}
  select
    uscc,
    indicator_code,
    stratum_code,
    window_months,
    numerator,
    denominator
  from exposures
  union all
  select
    uscc,
    indicator_code,
    stratum_code,
    window_months,
    numerator,
    denominator
  from complaints

)

select
  unioned.uscc,
  unioned.indicator_code,
  unioned.stratum_code,
  unioned.window_months,
  sum(unioned.numerator) as numerator,
  sum(unioned.denominator) as denominator
from unioned
inner join enterprises
  on enterprises.uscc = unioned.uscc
group by unioned.uscc, unioned.indicator_code, unioned.stratum_code, unioned.window_months
