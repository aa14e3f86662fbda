-- Fees over the last four quarters that are over, by area: due, received, why not, and how arrears were pursued.
with areas as (

  select * from {{ ref('int_areas__expanded') }}

),

communities as (

  select * from {{ ref('dim_community') }}

),

quarters as (

  select * from {{ ref('int_fee_collections__examined') }}
  where {{ in_window('period_end_on', 12) }}

)

select
  areas.area_code,
  count(distinct quarters.period_start_on)::integer as quarter_count,
  sum(quarters.receivable_amount)::numeric(18, 2) as receivable_cny,
  sum(quarters.received_amount)::numeric(18, 2) as received_cny,
  sum(quarters.arrears_amount)::numeric(18, 2) as arrears_cny,
  {%- for count in ['owing_household', 'reminded', 'mediated', 'arbitrated', 'sued'] %}
  sum(quarters.{{ count }}_count)::bigint as {{ count }}_count,
  {%- endfor %}
  {%- for reason in ['service', 'quality', 'vacant', 'hardship', 'other'] %}
  sum(quarters.unpaid_{{ reason }}_amount)::numeric(18, 2) as unpaid_{{ reason }}_cny{% if not loop.last %},{% endif %}
  {%- endfor %}
from quarters
inner join communities
  on communities.community_id = quarters.community_id
inner join areas
  on areas.leaf_area_code = coalesce(communities.street_code, communities.region_code)
group by areas.area_code
