-- What the offices of each city have ever reported: where a register has never come, nobody broke a rule by not being in it.
with communities as (

  select
    community_id,
    left(region_code, 4) as city_code
  from {{ ref('stg_communities') }}

),

{% set registers = [
  ('contracts', 'stg_contracts', 'true'),
  ('exit_notices', 'stg_contracts', 'coalesce(reported.notice_given_on, reported.street_informed_on) is not null'),
  ('street_notices', 'stg_contracts', 'coalesce(reported.notice_given_on, reported.street_informed_on) is not null'),
  ('handovers', 'stg_handovers', 'true'),
  ('disclosures', 'stg_disclosures', "reported.disclosure_class_code in ('c03', 'c04')"),
  ('fund_votes', 'stg_fund_votes', 'true'),
  ('emergency_repairs', 'stg_emergency_repairs', 'true'),
  ('tenders', 'stg_tenders', 'true'),
] -%}
reported as (

  {% for register_code, relation, condition in registers -%}
  select
    '{{ register_code }}' as register_code,
    communities.city_code
  from {{ ref(relation) }} as reported
  inner join communities
    on communities.community_id = reported.community_id
  where {{ condition }}
  group by communities.city_code
  {% if not loop.last %}union all{% endif %}
  {% endfor %}
)

select
  register_code,
  city_code
from reported
