{#- One matter on two channels. The office says so (`same_matter_as_id`), or it is recognised: the same category in the
    same community within so many hours, on another channel, and what came first is no second report itself. One report
    of each other channel belongs to the nearest before it, so that two neighbours who complain at once stay two. -#}

{#- Hours within which two reports are one matter, as an interval. -#}
{% macro matter_reach() -%}
  interval '{{ rule('same_matter_within_hours') }} hours'
{%- endmacro %}

{#- Whether a complaint is counted as one of its own: neither withdrawn nor a second report of a matter. -#}
{% macro is_own_matter(complaints='') -%}
  {%- set prefix = complaints ~ '.' if complaints else '' -%}
  {{ prefix }}status_code <> 'withdrawn' and {{ prefix }}not_counted_code is distinct from 'same_matter'
{%- endmacro %}

{#- CTEs that end in `matters`: second reports with the complaint they belong to. `touched`: a relation of complaint ids
    whose matters are looked at, with everything near them; none looks at all. -#}
{% macro matters(complaints, touched=none) -%}
reports as not materialized (

  select
    complaint_id,
    community_id,
    category_code,
    channel_code,
    submitted_at,
    same_matter_as_id
  from {{ complaints }}
  where status_code <> 'withdrawn'

),

{%- if touched %}

-- what may be a second report of, or have one in, a complaint that is looked at
suspects as (

  select distinct
    near.complaint_id,
    near.community_id,
    near.category_code,
    near.channel_code,
    near.submitted_at
  from {{ touched }} as touched
  inner join {{ complaints }} as looked_at
    on looked_at.complaint_id = touched.complaint_id
  inner join reports as near
    on near.community_id = looked_at.community_id
    and near.category_code = looked_at.category_code
    and near.submitted_at between looked_at.submitted_at - 2 * {{ matter_reach() }}
      and looked_at.submitted_at + 2 * {{ matter_reach() }}

),
{%- else %}

neighbourhoods as (

  select
    *,
    min(channel_code) over nearby <> max(channel_code) over nearby as has_other_channel
  from reports
  where community_id is not null
  window nearby as (
    partition by community_id, category_code
    order by submitted_at range between {{ matter_reach() }} preceding and current row
  )

),

suspects as (

  select * from neighbourhoods where has_other_channel

),
{%- endif %}

pairs as (

  select
    suspects.complaint_id,
    suspects.channel_code,
    suspects.submitted_at,
    earlier.complaint_id as matter_id,
    earlier.submitted_at as matter_submitted_at
  from suspects
  inner join reports as earlier
    on earlier.community_id = suspects.community_id
    and earlier.category_code = suspects.category_code
    and earlier.channel_code <> suspects.channel_code
    and earlier.submitted_at between suspects.submitted_at - {{ matter_reach() }} and suspects.submitted_at
    and (earlier.submitted_at, earlier.complaint_id) < (suspects.submitted_at, suspects.complaint_id)

),

nearest as (

  select distinct on (complaint_id)
    complaint_id,
    channel_code,
    submitted_at,
    matter_id
  from pairs
  where matter_id not in (select complaint_id from pairs)
  order by complaint_id, matter_submitted_at desc, matter_id desc

),

detected as (

  select distinct on (matter_id, channel_code)
    complaint_id,
    matter_id
  from nearest
  order by matter_id, channel_code, submitted_at, complaint_id

),

-- what the office says goes before what is recognised
linked as (

  select
    reports.complaint_id,
    first.complaint_id as matter_id
  from reports
  inner join reports as first
    on first.complaint_id = reports.same_matter_as_id
  where reports.same_matter_as_id is not null and first.same_matter_as_id is null and first.complaint_id <> reports.complaint_id
  {%- if touched %}
    and (
      reports.complaint_id in (select complaint_id from {{ touched }})
      or first.complaint_id in (select complaint_id from {{ touched }})
    )
  {%- endif %}

),

matters as (

  select * from linked
  union all
  select
    detected.complaint_id,
    detected.matter_id
  from detected
  where not exists (select 1 from linked where linked.complaint_id in (detected.complaint_id, detected.matter_id))

)
{%- endmacro %}
