-- Indicators that are a share of cases: more good outcomes than cases means that a join has multiplied rows.
select
  uscc,
  indicator_code,
  window_months,
  sum(numerator) as numerator,
  sum(denominator) as denominator
from {{ ref('mart_scoring__indicator_counts') }}
where indicator_code in ('P03', 'P05', 'P06', 'P08', 'P09', 'P10', 'P11', 'P12', 'P13', 'M01', 'M02', 'M03', 'M05', 'M06',
  'M07', 'M10', 'M11', 'M12', 'M13', 'M15', 'M16', 'G01')
group by uscc, indicator_code, window_months
having sum(numerator) > sum(denominator) + 0.001
