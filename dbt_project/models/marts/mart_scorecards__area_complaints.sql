-- What the complaints of this month and the one before were about, and whose they were.
with communities as (

  select
    community_id,
    coalesce(street_code, region_code) as leaf_area_code
  from {{ ref('dim_community') }}
  where region_code is not null

),

complaints as (

  select *
  from {{ ref('fct_complaints') }}
  where status_code <> 'withdrawn'
    and submitted_on >= date_trunc('month', {{ business_date() }}::timestamp) - interval '1 month'
    and submitted_on <= {{ business_date() }}

),

areas as (

  select * from {{ ref('int_areas__expanded') }}

),

split as (

  select
    coalesce(communities.leaf_area_code, complaints.region_code) as leaf_area_code,
    date_trunc('month', complaints.submitted_on::timestamp)::date as month,
    splits.dimension_code,
    splits.value_code,
    count(*) as complaint_count
  from complaints
  left join communities
    on communities.community_id = complaints.community_id
  cross join lateral (
    values
      ('category', coalesce(complaints.category_code, 'other')),
      ('responsible_party', coalesce(complaints.responsible_party_code, 'undetermined'))
  ) as splits (dimension_code, value_code)
  group by
    coalesce(communities.leaf_area_code, complaints.region_code),
    date_trunc('month', complaints.submitted_on::timestamp)::date,
    splits.dimension_code,
    splits.value_code

)

select
  areas.area_code,
  split.month,
  split.dimension_code,
  split.value_code,
  sum(split.complaint_count)::bigint as complaint_count
from split
inner join areas
  on areas.leaf_area_code = split.leaf_area_code
group by areas.area_code, split.month, split.dimension_code, split.value_code
