-- A decision by the officer whose work is disputed has no effect (§8.2): the objection stays open. The officers' codes
-- stay in raw; only whether they are the same person leaves it. A review that was decided stands in the decision's place.
with versions as (

  {{ latest_as_known(
    source('raw', 'objections'),
    key=['objection_id'],
    columns=[
      'objection_id', 'uscc', 'target_type_code', 'target_id', 'filed_on', 'marked_on', 'forwarded_on',
      'decided_on', 'outcome_code', 'source_class_code', 'review_filed_on', 'review_decided_on',
      'review_outcome_code', 'original_officer_code', 'decider_code', 'reviewer_code',
    ],
  ) | indent(2) }}

),

checked as (

  select
    objection_id,
    uscc,
    target_type_code,
    target_id,
    filed_on,
    marked_on,
    forwarded_on,
    decided_on,
    outcome_code,
    source_class_code,
    review_filed_on,
    review_decided_on,
    review_outcome_code,
    known_on,
    batch_id,
    coalesce(
      outcome_code in ('upheld', 'rejected') and decider_code = original_officer_code, false
    ) as is_decided_by_original_officer,
    review_outcome_code is not null
      and review_decided_on is not null
      and coalesce(reviewer_code <> decider_code and reviewer_code <> original_officer_code, false) as is_reviewed
  from versions

)

select
  objection_id,
  uscc,
  target_type_code,
  target_id,
  filed_on,
  marked_on,
  forwarded_on,
  case
    when is_decided_by_original_officer then null
    when is_reviewed then review_decided_on
    else decided_on
  end as decided_on,
  case
    when is_decided_by_original_officer then 'pending'
    when is_reviewed then review_outcome_code
    else outcome_code
  end as outcome_code,
  case when not is_decided_by_original_officer then decided_on end as first_decided_on,
  coalesce(source_class_code, 'own') as source_class_code,
  review_filed_on,
  case when is_reviewed then review_decided_on end as review_decided_on,
  case when is_reviewed then review_outcome_code end as review_outcome_code,
  is_decided_by_original_officer,
  known_on,
  batch_id
from checked
