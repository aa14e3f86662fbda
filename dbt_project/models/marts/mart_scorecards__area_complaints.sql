-- What the complaints of this month, the one before and the same month a year before were about, and whose they were.
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
  where {{ is_own_matter() }}
    and (submitted_on >= date_trunc('month', {{ business_date() }}::timestamp) - interval '1 month'
      or submitted_on >= date_trunc('month', {{ business_date() }}::timestamp) - interval '12 months'
      and submitted_on < date_trunc('month', {{ business_date() }}::timestamp) - interval '11 months')
    and submitted_on <= {{ complete_until('complaints') }}
    -- months before up to the same day
    and (submitted_on >= date_trunc('month', {{ business_date() }}::timestamp)
      or extract(day from submitted_on) <= {{ day_reached('complaints') }})

),

silences as (

  select * from {{ ref('mart_scorecards__silences') }} where feed = 'complaints'

),

areas as (

  select * from {{ ref('int_areas__expanded') }}

),

located as (

  select
    coalesce(communities.leaf_area_code, complaints.region_code) as leaf_area_code,
    date_trunc('month', complaints.submitted_on::timestamp)::date as month,
    coalesce(complaints.category_code, 'other') as category_code,
    coalesce(complaints.responsible_party_code, 'undetermined') as responsible_party_code
  from complaints
  left join communities
    on communities.community_id = complaints.community_id

),

split as (

  select
    leaf_area_code,
    month,
    'category' as dimension_code,
    category_code as value_code,
    count(*) as complaint_count
  from located
  group by leaf_area_code, month, category_code
  union all
  select
    leaf_area_code,
    month,
    'responsible_party' as dimension_code,
    responsible_party_code as value_code,
    count(*) as complaint_count
  from located
  group by leaf_area_code, month, responsible_party_code

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
where not exists (  -- what is not complete is not split
  select 1
  from silences
  where silences.area_code = areas.area_code
    and silences.until_on >= split.month
    and coalesce(silences.from_on < split.month + interval '1 month', true)
)
group by areas.area_code, split.month, split.dimension_code, split.value_code
