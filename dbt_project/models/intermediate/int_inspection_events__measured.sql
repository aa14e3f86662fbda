-- What each inspection line adds to P02 (items), P03 (orders due) and P08 (hazards due; with orders_pooled every order).
with lines as (

  select
    *,
    {{ is_overdue_as_counted() }} as is_late
  from {{ ref('int_inspection_lines__attributed') }}
  where is_of_enterprise
    and (inspected_on > {{ months_ago(window_months('P02'), counted_until('inspections')) }}
      or order_due_on > {{ months_ago(longest_window(['P03', 'P08']), counted_until('inspections')) }})
    and {{ is_district_heard('inspections', 'region_code') }}

),

findings as (

  select * from lines where line_type_code = 'finding' and coalesce(not_counted_code = 'protected', true)

),

finding_counts as (

  select
    inspection_id,
    count(*) as finding_count
  from {{ ref('int_inspection_lines__attributed') }}
  where is_of_enterprise and line_type_code = 'finding'
    and inspection_id in (select inspection_id from lines where line_type_code = 'summary')
  group by inspection_id

),

items as (

  select
    lines.uscc,
    'P02' as indicator_code,
    {{ window_months('P02') }} as window_months,
    lines.inspection_id || '/' || lines.line_code as evidence_id,
    lines.stratum_code,
    lines.community_id,
    lines.inspected_on as event_on,
    -- failed items that an office counts but does not list weigh as minor ones
    greatest(coalesce(lines.failed_item_count, 0) - coalesce(finding_counts.finding_count, 0), 0)
      * {{ severity_weight('P02', "'minor'") }} * lines.protection_weight as numerator,
    lines.checked_item_count * lines.protection_weight as denominator,
    0 as adverse_weight,
    'minor' as summary_code
  from lines
  left join finding_counts
    on finding_counts.inspection_id = lines.inspection_id
  where lines.line_type_code = 'summary' and coalesce(lines.not_counted_code = 'protected', true)
    and {{ is_comparable_inspection('lines') }}
    and {{ in_window('lines.inspected_on', window_months('P02'), counted_until('inspections')) }}

),

failed_items as (

  select
    uscc,
    'P02' as indicator_code,
    {{ window_months('P02') }} as window_months,
    inspection_id || '/' || line_code as evidence_id,
    stratum_code,
    community_id,
    inspected_on as event_on,
    {{ severity_weight('P02', 'severity_code') }} * protection_weight as numerator,
    0 as denominator,
    {{ severity_weight('P02', 'severity_code') }} * protection_weight as adverse_weight,
    severity_code as summary_code
  from findings
  where {{ in_window('inspected_on', window_months('P02'), counted_until('inspections')) }} and {{ is_comparable_inspection('findings') }}

),

orders_due as (

  select
    uscc,
    'P03' as indicator_code,
    {{ window_months('P03') }} as window_months,
    inspection_id || '/' || line_code as evidence_id,
    stratum_code,
    community_id,
    order_due_on as event_on,
    is_late::integer * protection_weight as numerator,
    protection_weight as denominator,
    is_late::integer * protection_weight as adverse_weight,
    severity_code as summary_code
  from findings
  where order_due_on is not null and {{ in_window('order_due_on', window_months('P03'), counted_until('inspections')) }}

),

-- safety always counts: no protection here
{% set is_pooled = var('counting').orders_pooled -%}
due as (

  select
    *,
    {% if is_pooled -%}
    -- with every other order, a hazard weighing by its severity
    case when is_hazard then {{ severity_weight('P08', 'severity_code') }} else protection_weight end as weight
    {%- else -%}
    {{ severity_weight('P08', 'severity_code') }} as weight
    {%- endif %}
  from findings
  where order_due_on is not null and {{ in_window('order_due_on', window_months('P08'), counted_until('inspections')) }}
    {%- if not is_pooled %} and is_hazard{% endif %}

),

hazards_due as (

  select
    uscc,
    'P08' as indicator_code,
    {{ window_months('P08') }} as window_months,
    inspection_id || '/' || line_code as evidence_id,
    stratum_code,
    community_id,
    order_due_on as event_on,
    (1 - is_late::integer) * weight as numerator,
    weight as denominator,
    is_late::integer * weight as adverse_weight,
    severity_code as summary_code
  from due

),

unioned as (

  select * from items
  union all
  select * from failed_items
  union all
  {% if not is_pooled -%}
  select * from orders_due
  union all
  {% endif -%}
  select * from hazards_due

)

select
  uscc,
  indicator_code,
  window_months,
  evidence_id,
  stratum_code,
  'inspections' as evidence_feed,
  event_on,
  round(numerator, 6) as numerator,
  round(denominator, 6) as denominator,
  round(adverse_weight, 6) as adverse_weight,
  summary_code,
  community_id
from unioned
where numerator > 0 or denominator > 0
