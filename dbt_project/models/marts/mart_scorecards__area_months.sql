-- What an area's page shows for each month: counts of leaf areas, rolled up to everything above them. Each count is there
-- twice: of the whole month, and (`_to_day`) up to the day of the month that the newest one has reached, so that a month
-- in progress is compared with the same days. What a silent feed or district leaves out is null, never zero.
{% set counted = {
  'complaint_counts': [
    'complaint_count', 'countable_complaint_count', 'response_due_count', 'responded_on_time_count',
    'handling_due_count', 'handled_within_12h_count', 'resolution_due_count', 'resolved_within_24h_count',
  ],
  'inspection_counts': ['inspection_count', 'checked_item_count', 'failed_item_count', 'serious_finding_count'],
  'order_counts': ['due_order_count', 'overdue_order_count'],
} -%}
{% set limits = [
  ('response', 'response_minutes', 'response_limit_hours', 'responded_on_time'),
  ('handling', 'handling_minutes', 'handling_limit_hours', 'handled_within_12h'),
  ('resolution', 'resolution_minutes', 'resolution_limit_hours', 'resolved_within_24h'),
] -%}
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
  where {{ is_own_matter() }} and submitted_on >= {{ first_shown_month() }} and submitted_on <= {{ complete_until('complaints') }}

),

lines as not materialized (

  select * from {{ ref('fct_inspection_lines') }}

),

months as (

  select * from {{ ref('fct_community_months') }}

),

areas as (

  select * from {{ ref('int_areas__expanded') }}

),

silences as (

  select * from {{ ref('mart_scorecards__silences') }}

),

exposures as (

  select
    communities.leaf_area_code,
    months.month_on,
    count(distinct months.community_id) as community_count,
    count(distinct months.community_id) filter (where months.uscc is not null) as managed_community_count,
    count(distinct months.community_id) filter (where months.is_enterprise) as enterprise_community_count,
    sum(months.household_months) as household_months
  from months
  inner join communities
    on communities.community_id = months.community_id
  group by communities.leaf_area_code, months.month_on

),

placed as (

  select
    coalesce(communities.leaf_area_code, complaints.region_code) as leaf_area_code,
    date_trunc('month', complaints.submitted_on::timestamp)::date as month_on,
    complaints.is_countable,
    extract(day from complaints.submitted_on) <= {{ day_reached('complaints') }} as is_to_day,
    {%- for name, clock, limit, kept in limits %}
    {{ is_limit_due(limit, 'complaints.submitted_at', cut_off_of('complaints')) }} as is_{{ name }}_due,
    coalesce(complaints.{{ clock }} <= {{ var(limit) }} * 60, false) as is_{{ kept }}{{ "," if not loop.last }}
    {%- endfor %}
  from complaints
  left join communities
    on communities.community_id = complaints.community_id
  where coalesce(communities.leaf_area_code, complaints.region_code) is not null

),

complaint_counts as (

  select
    leaf_area_code,
    month_on,
    {%- for suffix in ['', '_to_day'] %}
    {%- set of = 'is_to_day' if suffix else 'true' %}
    count(*) filter (where {{ of }}) as complaint_count{{ suffix }},
    count(*) filter (where {{ of }} and is_countable) as countable_complaint_count{{ suffix }},
    {%- for name, _, _, kept in limits %}
    count(*) filter (where {{ of }} and is_{{ name }}_due) as {{ name }}_due_count{{ suffix }},
    count(*) filter (where {{ of }} and is_{{ name }}_due and is_{{ kept }}) as {{ kept }}_count{{ suffix }}
    {{- "," if not (suffix and loop.last) }}
    {%- endfor %}
    {%- endfor %}
  from placed
  group by leaf_area_code, month_on

),

inspection_counts as (

  select
    communities.leaf_area_code,
    date_trunc('month', lines.inspected_on::timestamp)::date as month_on,
    {%- for suffix in ['', '_to_day'] %}
    {%- set of = 'extract(day from lines.inspected_on) <= ' ~ day_reached('inspections') if suffix else 'true' %}
    count(distinct lines.inspection_id) filter (where {{ of }}) as inspection_count{{ suffix }},
    coalesce(sum(lines.checked_item_count) filter (where {{ of }} and lines.line_type_code = 'summary'), 0)
      as checked_item_count{{ suffix }},
    coalesce(sum(lines.failed_item_count) filter (where {{ of }} and lines.line_type_code = 'summary'), 0)
      as failed_item_count{{ suffix }},
    count(*) filter (where {{ of }} and lines.line_type_code = 'finding' and lines.severity_code = 'serious')
      as serious_finding_count{{ suffix }}{{ "," if not suffix }}
    {%- endfor %}
  from lines
  inner join communities
    on communities.community_id = lines.community_id
  where lines.inspected_on >= {{ first_shown_month() }}
  group by communities.leaf_area_code, date_trunc('month', lines.inspected_on::timestamp)::date

),

order_counts as (

  select
    communities.leaf_area_code,
    date_trunc('month', lines.order_due_on::timestamp)::date as month_on,
    {%- for suffix in ['', '_to_day'] %}
    {%- set of = 'extract(day from lines.order_due_on) <= ' ~ day_reached('inspections') if suffix else 'true' %}
    count(*) filter (where {{ of }}) as due_order_count{{ suffix }},
    count(*) filter (where {{ of }} and lines.is_overdue) as overdue_order_count{{ suffix }}{{ "," if not suffix }}
    {%- endfor %}
  from lines
  inner join communities
    on communities.community_id = lines.community_id
  where lines.line_type_code = 'finding'
    and lines.order_due_on >= {{ first_shown_month() }} and lines.order_due_on <= {{ complete_until('inspections') }}
  group by communities.leaf_area_code, date_trunc('month', lines.order_due_on::timestamp)::date

),

leaf_months as (

  select leaf_area_code, month_on from exposures
  union
  select leaf_area_code, month_on from complaint_counts
  where month_on >= (select min(month_on) from months) and month_on <= {{ business_date() }}

),

rolled_up as (

  select
    areas.area_code,
    leaf_months.month_on as month,
    coalesce(sum(exposures.community_count), 0)::bigint as community_count,
    coalesce(sum(exposures.managed_community_count), 0)::bigint as managed_community_count,
    coalesce(sum(exposures.enterprise_community_count), 0)::bigint as enterprise_community_count,
    coalesce(sum(exposures.household_months), 0) as household_months,
    {%- for table, names in counted.items() %}
    {%- for suffix in ['', '_to_day'] %}
    {%- for name in names %}
    coalesce(sum({{ table }}.{{ name }}{{ suffix }}), 0)::bigint as {{ name }}{{ suffix }}{{ "," if not (table == 'order_counts' and suffix and loop.last) }}
    {%- endfor %}
    {%- endfor %}
    {%- endfor %}
  from leaf_months
  inner join areas
    on areas.leaf_area_code = leaf_months.leaf_area_code
  left join exposures
    on exposures.leaf_area_code = leaf_months.leaf_area_code and exposures.month_on = leaf_months.month_on
  left join complaint_counts
    on complaint_counts.leaf_area_code = leaf_months.leaf_area_code
    and complaint_counts.month_on = leaf_months.month_on
  left join inspection_counts
    on inspection_counts.leaf_area_code = leaf_months.leaf_area_code
    and inspection_counts.month_on = leaf_months.month_on
  left join order_counts
    on order_counts.leaf_area_code = leaf_months.leaf_area_code and order_counts.month_on = leaf_months.month_on
  group by areas.area_code, leaf_months.month_on

),

missing as (

  select
    rolled_up.area_code,
    rolled_up.month,
    bool_or(silences.feed = 'complaints') as is_complaints,
    bool_or(silences.feed = 'inspections') as is_inspections,
    bool_or(silences.feed in ('communities', 'contracts')) as is_registers
  from rolled_up
  inner join silences
    on silences.area_code = rolled_up.area_code
    and silences.until_on >= rolled_up.month
    and coalesce(silences.from_on < rolled_up.month + interval '1 month', true)
  group by rolled_up.area_code, rolled_up.month

),

-- null where something is missing; all that is worked out from it is null with it
known as (

  select
    rolled_up.area_code,
    rolled_up.month,
    coalesce(missing.is_complaints, false) or rolled_up.month > {{ complete_until('complaints') }} as is_complaints_missing,
    coalesce(missing.is_inspections, false) or rolled_up.month > {{ complete_until('inspections') }} as is_inspections_missing,
    extract(day from rolled_up.month + interval '1 month' - interval '1 day') as month_days,
    {%- for column in ['community_count', 'managed_community_count', 'enterprise_community_count', 'household_months'] %}
    case when missing.is_registers then null else rolled_up.{{ column }} end as {{ column }},
    {%- endfor %}
    {%- for table, names in counted.items() %}
    {%- set of_feed = 'complaints' if table == 'complaint_counts' else 'inspections' %}
    {%- set lacks = 'is_' ~ of_feed %}
    {%- for suffix in ['', '_to_day'] %}
    {%- for name in names %}
    case when missing.{{ lacks }} or rolled_up.month > {{ complete_until(of_feed) }} then null else rolled_up.{{ name }}{{ suffix }} end as {{ name }}{{ suffix }}{{ "," if not (table == 'order_counts' and suffix and loop.last) }}
    {%- endfor %}
    {%- endfor %}
    {%- endfor %}
  from rolled_up
  left join missing
    on missing.area_code = rolled_up.area_code and missing.month = rolled_up.month

)

select
  area_code,
  month,
  is_complaints_missing,
  is_inspections_missing,
  community_count,
  managed_community_count,
  enterprise_community_count,
  household_months,
  round(managed_community_count / nullif(community_count, 0)::numeric, 4) as managed_ratio,
  round(enterprise_community_count / nullif(community_count, 0)::numeric, 4) as professional_ratio,
  {%- for suffix in ['', '_to_day'] %}
  complaint_count{{ suffix }},
  countable_complaint_count{{ suffix }},
  round(
    complaint_count{{ suffix }} * 1000
    / nullif(household_months{{ " * least(" ~ day_reached('complaints') ~ " / month_days, 1)" if suffix }}, 0), 4
  ) as complaints_per_1k_household_months{{ suffix }},
  round(responded_on_time_count{{ suffix }} / nullif(response_due_count{{ suffix }}, 0)::numeric, 4)
    as responded_on_time_ratio{{ suffix }},
  round(handled_within_12h_count{{ suffix }} / nullif(handling_due_count{{ suffix }}, 0)::numeric, 4)
    as handled_within_12h_ratio{{ suffix }},
  resolution_due_count{{ suffix }},
  resolved_within_24h_count{{ suffix }},
  round(resolved_within_24h_count{{ suffix }} / nullif(resolution_due_count{{ suffix }}, 0)::numeric, 4)
    as resolved_within_24h_ratio{{ suffix }},
  inspection_count{{ suffix }},
  checked_item_count{{ suffix }},
  failed_item_count{{ suffix }},
  round(failed_item_count{{ suffix }} / nullif(checked_item_count{{ suffix }}, 0)::numeric, 4)
    as failed_item_ratio{{ suffix }},
  serious_finding_count{{ suffix }},
  due_order_count{{ suffix }},
  overdue_order_count{{ suffix }}{{ "," if not suffix }}
  {%- endfor %}
from known
