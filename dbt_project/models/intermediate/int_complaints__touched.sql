-- depends_on: {{ ref('int_attributions__touched') }}
-- depends_on: {{ ref('int_objections__upheld') }}
-- depends_on: {{ ref('stg_complaints') }}
-- Complaints that differ from those of the last build, or may: a new version of theirs or of a complaint that
-- repeats them, another attribution of their day, an objection upheld since. Empty in a full build.
{%- if is_increment() %}
with changed as (

  select * from {{ ref('stg_complaints') }} where batch_id in {{ new_batches('complaints') }}

),

before as not materialized (

  select * from {{ as_last_built('int_complaints__attributed') }}

),

attributions as (

  select * from {{ ref('int_attributions__touched') }}

),

overturned as (

  (
    select target_id from {{ ref('int_objections__upheld') }} where target_type_code = 'complaint'
    except
    select target_id from {{ as_last_built('int_objections__remembered') }} where target_type_code = 'complaint'
  )
  union
  (
    select target_id from {{ as_last_built('int_objections__remembered') }} where target_type_code = 'complaint'
    except
    select target_id from {{ ref('int_objections__upheld') }} where target_type_code = 'complaint'
  )

),

keys as (

  select complaint_id from changed
  union
  select repeat_of_id from changed
  union
  select before.repeat_of_id
  from before
  inner join changed
    on changed.complaint_id = before.complaint_id
  union
  select before.complaint_id
  from before
  inner join attributions
    on attributions.community_id = before.community_id
    and before.submitted_on between attributions.from_on and attributions.until_on
  {%- if rule('same_matter_within_hours') > 0 %}
  union
  -- what may be one matter with a complaint that changed, was one with it, or with what that one was one with
  select near.complaint_id
  from changed
  left join before
    on before.complaint_id = changed.complaint_id
  inner join {{ ref('stg_complaints') }} as near
    on near.community_id = changed.community_id
    and near.category_code in (changed.category_code, before.category_code)
    and near.submitted_at between changed.submitted_at - 3 * {{ matter_reach() }}
      and changed.submitted_at + 3 * {{ matter_reach() }}
  union
  select same_matter_as_id from changed
  union
  select before.matter_id
  from before
  inner join changed
    on changed.complaint_id = before.complaint_id
  union
  select linked.complaint_id
  from {{ ref('stg_complaints') }} as linked
  inner join changed
    on changed.complaint_id = linked.same_matter_as_id
  {%- endif %}
  union
  select target_id from overturned
  union
  -- a repeat that was overturned is none
  select before.repeat_of_id
  from before
  inner join overturned
    on overturned.target_id = before.complaint_id
  union
  -- a day that had not come yet had no manager
  select complaint_id from before where submitted_on > {{ previous_business_date() }}

)

select
  complaints.complaint_id,
  -- as the last build had it: what the sums take out before they add the complaint as it is now
  before.complaint_id is not null as was_built,
  before.uscc,
  before.region_code,
  before.stratum_code,
  before.protection_weight,
  before.channel_code,
  before.status_code,
  before.submitted_on,
  before.closed_on,
  before.response_minutes,
  before.handling_minutes,
  before.resolution_minutes,
  before.score_resolution_minutes,
  before.callback_result_code,
  before.is_repeated,
  before.is_countable,
  before.not_counted_code
from keys
inner join {{ ref('stg_complaints') }} as complaints
  on complaints.complaint_id = keys.complaint_id
left join before
  on before.complaint_id = complaints.complaint_id
{%- else %}
select
  complaint_id,
  false as was_built,
  null::text as uscc,
  null::text as region_code,
  null::text as stratum_code,
  null::numeric as protection_weight,
  null::text as channel_code,
  null::text as status_code,
  null::date as submitted_on,
  null::date as closed_on,
  null::numeric as response_minutes,
  null::numeric as handling_minutes,
  null::numeric as resolution_minutes,
  null::numeric as score_resolution_minutes,
  null::text as callback_result_code,
  null::boolean as is_repeated,
  null::boolean as is_countable,
  null::text as not_counted_code
from {{ ref('stg_complaints') }}
where false
{%- endif %}
