-- What calls for an alert about disputes (A 四(四), B 10): petitions without an answer, cases past their day, and cases that lie
-- with an office below the one that their difficulty asks for.
with disputes as (

  select
    resolved.*,
    resolved.received_on + {{ threshold('dispute_raise_days') }}::integer as raising_due_on,
    communities.region_code
  from {{ ref('int_disputes__resolved') }} as resolved
  inner join {{ ref('stg_communities') }} as communities
    on communities.community_id = resolved.community_id

),

called_for as (

  select
    disputes.*,
    kinds.kind_code,
    kinds.first_on
  from disputes
  {{ with_kinds([
    ('petition_unanswered', 'answered_on is null and answer_due_on < ' ~ business_date(), 'answer_due_on + 1'),
    ('dispute_overdue', 'closed_on is null and closing_due_on < ' ~ business_date(), 'closing_due_on + 1'),
    (
      'dispute_below_its_level',
      'is_below_its_level and closed_on is null and raising_due_on < ' ~ business_date(),
      'raising_due_on + 1'
    ),
  ]) }}
  where kinds.is_met

)

select
  kind_code || '/' || dispute_id as alert_id,
  kind_code,
  uscc,
  community_id,
  region_code,
  null::text as account_no,
  first_on,
  null::numeric as amount_cny,
  jsonb_build_array(jsonb_build_object('feed', 'disputes', 'ids', jsonb_build_array(dispute_id))) as evidence,
  {{ business_date() }} as last_on,
  first_on <= complete_until as is_told
from called_for
