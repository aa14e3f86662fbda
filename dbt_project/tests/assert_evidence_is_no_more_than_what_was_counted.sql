-- Evidence of indicators that count what went well weighs no more than what the indicator lost: both come from the same events.
with lost as (

  select
    uscc,
    indicator_code,
    sum(denominator - numerator) as weight
  from {{ ref('mart_scoring__indicator_counts') }}
  where indicator_code in ('P08', 'P10', 'P13', 'M01', 'M02', 'M03', 'M06', 'M07', 'M10', 'M11', 'M12', 'M15')
  group by uscc, indicator_code

),

shown as (

  select
    uscc,
    indicator_code,
    sum(weight) as weight
  from {{ ref('mart_scoring__indicator_evidence') }}
  group by uscc, indicator_code

)

select
  lost.uscc,
  lost.indicator_code,
  lost.weight as lost_weight,
  shown.weight as shown_weight
from lost
inner join shown
  on shown.uscc = lost.uscc and shown.indicator_code = lost.indicator_code
where shown.weight > lost.weight + 0.001
