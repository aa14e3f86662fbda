{#- feed, staging model, how a row names its place -#}
{% set feeds = [
  ('communities', 'region_code'), ('complaints', 'community_id'), ('inspections', 'community_id'),
  ('contracts', 'community_id'), ('disclosures', 'community_id'), ('lifts', 'community_id'),
  ('owners_committees', 'community_id'), ('project_honours', 'community_id'),
  ('mashangban_enrolments', 'community_id'), ('surveys', 'community_id'),
] %}
-- Which districts each source profile reports on, by what stands of its deliveries.
with batches as (

  select * from {{ ref('int_batches__listed') }}

),

communities as (

  select * from {{ ref('stg_communities') }}

),

delivered as (

  {% for feed, place in feeds -%}
  select
    batch_id,
    {% if place == 'community_id' %}community_id{% else %}null{% endif %} as community_id,
    {% if feed in ('communities', 'complaints') %}region_code{% else %}null{% endif %} as region_code
  from (
    select distinct
      batch_id,
      {% if place == 'community_id' %}community_id{% endif -%}
      {% if feed == 'complaints' %}, region_code{% elif place == 'region_code' %}region_code{% endif %}
    from {{ ref('stg_' ~ feed) }}
  ) as {{ feed }}
  {% if not loop.last %}union all
  {% endif %}
  {%- endfor %}

)

select distinct
  batches.feed,
  batches.source_profile,
  coalesce(communities.region_code, delivered.region_code) as region_code
from delivered
inner join batches
  on batches.batch_id = delivered.batch_id
left join communities
  on communities.community_id = delivered.community_id
where coalesce(communities.region_code, delivered.region_code) is not null
