with programmes as (

  select * from {{ ref('inspection_programmes') }}

)

select distinct on (authority_code, rate_class)
  authority_code,
  rate_class,
  yearly_rate,
  source_clause,
  valid_from
from programmes
order by authority_code, rate_class, {{ in_force_first('valid_from') }}
