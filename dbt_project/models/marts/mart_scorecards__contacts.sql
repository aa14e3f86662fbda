-- Whom regulators call tonight: the desks of offices and enterprises that are in use.
select
  coalesce(area_code, uscc) as holder_code,
  post_code,
  telephone
from {{ ref('stg_contacts') }}
where valid_from <= {{ business_date() }} and coalesce(valid_until >= {{ business_date() }}, true)
group by coalesce(area_code, uscc), post_code, telephone
