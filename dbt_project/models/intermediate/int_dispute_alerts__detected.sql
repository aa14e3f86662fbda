-- What calls for an alert about disputes (A 四(四), B 10): petitions without an answer, cases past their day, and cases that lie
-- with an office below the one that their difficulty asks for.
with disputes as (

  select
    resolved.*,
    communities.region_code
  from {{ ref('int_disputes__resolved') }} as resolved
  inner join {{ ref('stg_communities') }} as communities
    on communities.community_id = resolved.community_id

),

{% set kinds = [
  ('petition_unanswered', "is_answer_due and answered_on is null", 'answer_due_on + 1'),
  ('dispute_overdue', 'is_overdue', 'closing_due_on + 1'),
  ('dispute_below_its_level',
    "is_below_its_level and closed_on is null and received_on + " ~ threshold('dispute_raise_days') ~ "::integer < " ~ business_date(),
    "received_on + " ~ threshold('dispute_raise_days') ~ "::integer + 1"),
] -%}
unioned as (

  {% for kind_code, condition, first_on in kinds -%}
  select
    '{{ kind_code }}/' || dispute_id as alert_id,
    '{{ kind_code }}' as kind_code,
    uscc,
    community_id,
    region_code,
    {{ first_on }} as first_on,
    jsonb_build_array(jsonb_build_object('feed', 'disputes', 'ids', jsonb_build_array(dispute_id))) as evidence
  from disputes
  where {{ condition }}
  {% if not loop.last %}union all{% endif %}
  {% endfor %}
)

select
  alert_id,
  kind_code,
  uscc,
  community_id,
  region_code,
  null::text as account_no,
  first_on,
  null::numeric as amount_cny,
  evidence,
  {{ business_date() }} as last_on
from unioned
