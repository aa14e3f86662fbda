-- Vetoes and caps that are in force tonight, from final decisions only. ends_on is the last day one binds, empty where
-- it binds until cured. V2 lasts until repaired: its tier's minimum of twelve months comes before any repair.
-- C2: overdue orders, or escalations: those that the source recorded, or, where the method names channels, those that the
-- platform itself raises for them by supervision's clock, which never pauses. is_disputed: the case
-- would not be there if every open objection were upheld.
{%- set caps = var('caps') %}
{#- C2: nothing becomes overdue, and no clock runs out, on days that the case's district did not report. -#}
{%- set is_cut = var('counting').ends_at_complete_day %}
{%- set covered_districts = ref('int_feed_districts__covered') %}
{%- set orders_until = 'coalesce(covered.complete_until, ' ~ business_date() ~ ')' if is_cut else business_date() %}
{%- set clocks_until = "((coalesce(covered.complete_until, " ~ business_date() ~ ") + 1)::timestamp at time zone 'Asia/Shanghai')" if is_cut
  else end_of_business_date() %}
with enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

-- V1 and V7 last until they end, V2 until it is repaired; what is no longer standing binds nobody
records as (

  select
    *,
    coalesce(shown_from, decided_on) as shown_on
  from {{ ref('int_credit_records__weighted') }}
  where is_standing and not is_ended

),

lines as (

  select * from {{ ref('int_inspection_lines__attributed') }}
  where is_of_enterprise and line_type_code = 'finding' and is_confirmed and not is_objection_upheld

),

complaints as (

  select
    complaints.uscc,
    complaints.complaint_id,
    {% if caps.C2.own_clock_channels is defined -%}
    case
      when coalesce(
        complaints.resolution_minutes, round({{ minutes_between('complaints.submitted_at', clocks_until) }}, 2)
      ) > {{ var('resolution_limit_hours') }} * 60
        then {{ local_date("(complaints.submitted_at + interval '" ~ var('resolution_limit_hours') ~ " hours')") }}
    end as escalated_on,
    {%- else -%}
    complaints.escalated_on,
    {%- endif %}
    {{ is_disputed('complaints', 'complaint', ['complaints.complaint_id']) }} as is_disputed
  from {{ ref('int_complaints__attributed') }} as complaints
  {%- if is_cut %}
  left join {{ covered_districts }} as covered
    on covered.feed = 'complaints' and covered.region_code = complaints.region_code
  {%- endif %}
  where complaints.is_countable
    and complaints.protection_weight > 0
    and {{ in_window('complaints.submitted_on', window_months('M03')) }}
    {%- if caps.C2.own_clock_channels is defined %}
    and complaints.channel_code in ('{{ caps.C2.own_clock_channels | join("', '") }}')
    {%- endif %}

),

decided as (

  {% for cap, record_type in [
    ('V1', 'serious_dishonesty'),
    ('V2', 'fund_misuse'),
    ('V3', 'abandonment'),
    ('V5', 'fraud'),
    ('V6', 'coercive_collection'),
    ('V7', 'inspection_refusal'),
  ] -%}
  {%- set months = caps[cap].months if cap in ('V3', 'V5', 'V6') else none -%}
  select
    uscc,
    '{{ cap }}' as cap_code,
    record_id as evidence_id,
    decided_on as starts_on,
    {% if months -%}
    (decided_on + interval '{{ months }} months')::date - 1
    {%- elif cap == 'V1' and 'exit_on' in var('counting').listing_requires -%}
    least(ended_on, exit_on) - 1
    {%- elif cap in ('V1', 'V7') -%}
    ended_on - 1
    {%- else -%}
    null::date
    {%- endif %} as ends_on,
    legal_basis as basis,
    authority_name,
    decision_no
  from records
  where record_type_code = '{{ record_type }}'
  {%- if cap == 'V1' %} and {{ is_listing_complete() }}{% endif %}
  union all
  {% endfor -%}
  -- a larger accident (较大及以上) binds longer
  select
    uscc,
    'V4' as cap_code,
    record_id as evidence_id,
    decided_on as starts_on,
    (decided_on + case
      when accident_level_code in ('larger', 'major', 'extraordinary') then interval '{{ caps.V4.serious_months }} months'
      else interval '{{ caps.V4.months }} months'
    end)::date - 1 as ends_on,
    legal_basis as basis,
    authority_name,
    decision_no
  from records
  where record_type_code = 'fatal_accident'
  union all
  -- the minimum of a general record runs from its first display; courts and awards have no tiers
  select
    uscc,
    'C1' as cap_code,
    record_id as evidence_id,
    shown_on as starts_on,
    (shown_on + interval '{{ caps.C1.months }} months')::date - 1 as ends_on,
    legal_basis as basis,
    authority_name,
    decision_no
  from records
  where tier_code = 'general' and record_type_code not in ('commendation', 'judgment') and shown_on <= {{ business_date() }}

),

-- a second V6 within the limit is a repeat; the first of such a pair stays beside it as evidence while that one binds
neighbours as (

  select
    decided.*,
    lag(decided.starts_on) over same_cap as previous_starts_on,
    lead(decided.starts_on) over same_cap as next_starts_on,
    lead(decided.ends_on) over same_cap as next_ends_on
  from decided
  window same_cap as (partition by decided.uscc, decided.cap_code order by decided.starts_on, decided.evidence_id)

),

{% set reach = "interval '" ~ caps.V6.repeat.within_months ~ " months'" -%}
in_force as (

  select
    uscc,
    cap_code,
    evidence_id,
    starts_on,
    ends_on,
    basis,
    authority_name,
    decision_no,
    cap_code = 'V6' and coalesce(starts_on < previous_starts_on + {{ reach }}, false) as is_repeat,
    {{ is_disputed('neighbours', 'public_credit', ['neighbours.evidence_id']) }} as is_disputed
  from neighbours
  where coalesce(ends_on >= {{ business_date() }}, true)
    or cap_code = 'V6' and next_starts_on < starts_on + {{ reach }} and next_ends_on >= {{ business_date() }}

),

overdue_orders as (

  select
    uscc,
    'C2' as cap_code,
    inspection_id || '/' || line_code as evidence_id,
    order_due_on + {{ caps.C2.overdue_days_over + 1 }} as starts_on,
    null::date as ends_on,
    '整改逾期超过{{ caps.C2.overdue_days_over }}日' as basis,
    authority_code as authority_name,
    inspection_id as decision_no,
    false as is_repeat,
    {{ is_disputed('lines', 'inspection', ['lines.inspection_id', "lines.inspection_id || '/' || lines.line_code"]) }} as is_disputed
  from lines
  {%- if is_cut %}
  left join {{ covered_districts }} as covered
    on covered.feed = 'inspections' and covered.region_code = lines.region_code
  {%- endif %}
  where order_due_on + {{ caps.C2.overdue_days_over }} < {{ orders_until }} and coalesce(rectified_on > {{ business_date() }}, true)

),

escalation_totals as (

  select
    uscc,
    count(*) as complaint_count,
    count(escalated_on) as escalated_count,
    count(*) filter (where not is_disputed) as undisputed_count,
    count(escalated_on) filter (where not is_disputed) as undisputed_escalated_count
  from complaints
  group by uscc

),

-- what several cases bring about is shown by the newest of them
escalations as (

  select
    complaints.uscc,
    'C2' as cap_code,
    complaints.complaint_id as evidence_id,
    complaints.escalated_on as starts_on,
    null::date as ends_on,
    '提级督办' || escalation_totals.escalated_count || '件，占' || escalation_totals.complaint_count || '件诉求的'
      || round(100.0 * escalation_totals.escalated_count / escalation_totals.complaint_count, 1) || '%' as basis,
    null as authority_name,
    complaints.complaint_id as decision_no,
    false as is_repeat,
    complaints.is_disputed
      or escalation_totals.undisputed_escalated_count < {{ caps.C2.escalations_from }}
      or escalation_totals.undisputed_escalated_count
      <= {{ caps.C2.escalated_ratio_over }} * escalation_totals.undisputed_count as is_disputed
  from complaints
  inner join escalation_totals
    on escalation_totals.uscc = complaints.uscc
  where complaints.escalated_on is not null
    and escalation_totals.escalated_count >= {{ caps.C2.escalations_from }}
    and escalation_totals.escalated_count > {{ caps.C2.escalated_ratio_over }} * escalation_totals.complaint_count

),

newest_escalations as (

  select
    escalations.*,
    row_number() over (
      partition by escalations.uscc
      order by escalations.is_disputed, escalations.starts_on desc, escalations.evidence_id
    ) as case_rank
  from escalations

),

unioned as (

  select * from in_force
  union all
  select * from overdue_orders
  union all
  select
    uscc,
    cap_code,
    evidence_id,
    starts_on,
    ends_on,
    basis,
    authority_name,
    decision_no,
    is_repeat,
    is_disputed
  from newest_escalations
  where case_rank <= 20

)

select
  unioned.uscc,
  unioned.cap_code,
  unioned.evidence_id,
  unioned.starts_on,
  unioned.ends_on,
  unioned.basis,
  unioned.authority_name,
  unioned.decision_no,
  unioned.is_repeat,
  unioned.is_disputed
from unioned
inner join enterprises
  on enterprises.uscc = unioned.uscc
