-- depends_on: {{ ref('int_spells__resolved') }}
-- depends_on: {{ ref('stg_communities') }}
-- Days on which a community has another manager, protection, stratum or division than the last build knew: seen by
-- comparing the spells of both, so that it does not matter why. A spell that goes on has no end here: it only grew.
{%- if is_increment() %}
with communities as (

  select * from {{ ref('stg_communities') }} where batch_id in {{ new_batches('communities') }}

),

remembered as (

  select
    community_id,
    starts_on,
    case when ends_on = {{ previous_business_date() }} then 'infinity'::date else ends_on end as ends_on,
    uscc,
    is_enterprise,
    protection_weight
  from {{ as_last_built('int_spells__remembered') }}

),

resolved as (

  select
    community_id,
    starts_on,
    case when ends_on = {{ business_date() }} then 'infinity'::date else ends_on end as ends_on,
    uscc,
    is_enterprise,
    protection_weight
  from {{ ref('int_spells__resolved') }}

),

no_longer as (

  select * from remembered
  except
  select * from resolved

),

newly as (

  select * from resolved
  except
  select * from remembered

)

select community_id, starts_on as from_on, ends_on as until_on from no_longer
union
select community_id, starts_on, ends_on from newly
union
select community_id, '-infinity'::date, 'infinity'::date from communities
{%- else %}
select
  community_id,
  starts_on as from_on,
  ends_on as until_on
from {{ ref('int_spells__resolved') }}
where false
{%- endif %}
