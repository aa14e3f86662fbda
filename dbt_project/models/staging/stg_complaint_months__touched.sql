-- depends_on: {{ source('raw', 'complaints') }}
-- depends_on: {{ ref('stg_complaints') }}
-- depends_on: {{ ref('stg_community_numbers') }}
-- Months of a community in which any version of a changed complaint has ever lain, with the complaints that lie in them
-- now. Empty in a full build. A table of its own, on the coordinator: a cluster asks a function once for the whole of it,
-- where it would ask once a shard inside a statement that reads spread tables.
{%- if is_increment() %}
with changed as (

  select distinct complaint_id from {{ source('raw', 'complaints') }} where {{ is_in_new_batch('complaints') }}

),

months as (

  select distinct
    {{ as_numbered('community_id', 'versions') }} as community_id,
    date_trunc('month', versions.submitted_at at time zone 'Asia/Shanghai')::date as month_on
  from changed
  inner join {{ source('raw', 'complaints') }} as versions
    on versions.complaint_id = changed.complaint_id
  {{- numbered_joins(['community_id'], 'versions') }}
  where versions.community_id is not null
    and versions.submitted_at >= {{ monitored_from() }}::timestamp at time zone 'Asia/Shanghai'

)

select
  months.community_id,
  months.month_on,
  array_remove(array_agg(complaints.complaint_id), null) as complaint_ids
from months
left join {{ ref('stg_complaints') }} as complaints
  on complaints.community_id = months.community_id
  and complaints.submitted_at >= months.month_on::timestamp at time zone 'Asia/Shanghai'
  and complaints.submitted_at < (months.month_on + interval '1 month') at time zone 'Asia/Shanghai'
group by months.community_id, months.month_on
{%- else %}
select
  null::text as community_id,
  null::date as month_on,
  null::text[] as complaint_ids
where false
{%- endif %}
