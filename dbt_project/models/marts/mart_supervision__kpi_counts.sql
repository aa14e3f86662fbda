-- What the warehouse can count tonight of the targets of the two policy documents, for every region that has something to
-- count. Each is a numerator and a denominator (a count has none); seed kpi_definitions says what they are and is frozen.
-- Grades are not known here: enterprises at AA are counted by supervision from what is published.
{# target, where it is counted, numerator, denominator (none: the target is a count) #}
{% set registers = ['communities', 'contracts', 'enterprises'] %}
{% set needs = {
  'managed': registers, 'disclosure_coverage': registers + ['disclosures'], 'separate_accounts': registers + ['funds'],
  'quarterly_disclosures': registers + ['disclosures'], 'trained': ['personnel'], 'lift_works': ['lifts'],
  'committee_counts': ['owners_committees'], 'honour_counts': ['project_honours'],
  'enrolment_counts': ['mashangban_enrolments'], 'tender_counts': registers + ['tenders'],
  'dispute_counts': ['disputes'], 'meeting_counts': ['joint_meetings'], 'fee_counts': ['fee_collections'],
  'contract_counts': ['contracts', 'contract_terms'],
} %}
{% set counts = [
  ('management_coverage', 'managed', 'managed_count', 'community_count'),
  ('professional_coverage', 'managed', 'enterprise_managed_count', 'community_count'),
  ('new_professional_coverage', 'managed', 'new_enterprise_managed_count', 'new_count'),
  ('old_community_takeover', 'managed', 'old_managed_count', 'old_count'),
  ('old_enterprise_takeover', 'managed', 'old_enterprise_managed_count', 'old_count'),
  ('disclosure_coverage', 'disclosure_coverage', 'disclosed_count', 'community_count'),
  ('full_disclosure_coverage', 'disclosure_coverage', 'fully_disclosed_count', 'community_count'),
  ('quarterly_disclosure_coverage', 'quarterly_disclosures', 'disclosed_count', 'due_count'),
  ('separate_income_accounts', 'separate_accounts', 'separate_count', 'community_count'),
  ('pre_job_training_ratio', 'trained', 'pre_job_count', 'staff_count'),
  ('continuing_training_ratio', 'trained', 'continuing_count', 'staff_count'),
  ('lift_renewals', 'lift_works', 'renewed_count', 'null'),
  ('lift_additions', 'lift_works', 'added_count', 'null'),
  ('owners_committee_ratio', 'committee_counts', 'with_committee_count', 'community_count'),
  ('committee_party_members', 'committee_counts', 'party_member_count', 'member_count'),
  ('committee_trainings', 'committee_counts', 'training_count', 'committee_count'),
  ('committee_training_ratio', 'committee_counts', 'trained_committee_count', 'committee_count'),
  ('second_level_projects', 'honour_counts', 'second_level_count', 'null'),
  ('model_projects', 'honour_counts', 'model_count', 'null'),
  ('mashangban_coverage', 'enrolment_counts', 'enrolled_count', 'community_count'),
  ('early_stage_tender_ratio', 'tender_counts', 'chosen_count', 'community_count'),
  ('petition_answer_ratio', 'dispute_counts', 'answered_count', 'answer_due_count'),
  ('dispute_in_time_ratio', 'dispute_counts', 'in_time_count', 'closing_due_count'),
  ('community_settled_ratio', 'dispute_counts', 'simple_in_community_count', 'simple_closed_count'),
  ('street_settled_ratio', 'dispute_counts', 'complex_in_street_count', 'complex_closed_count'),
  ('joint_meeting_ratio', 'meeting_counts', 'with_meeting_count', 'street_count'),
  ('fee_collection_ratio', 'fee_counts', 'received_amount', 'receivable_amount'),
  ('model_contract_ratio', 'contract_counts', 'model_count', 'registered_count'),
] %}
with ancestors as (

  select * from {{ ref('int_region_ancestors__expanded') }}

),

communities as (

  select * from {{ ref('dim_community') }}

),

enterprises as (

  select * from {{ ref('dim_enterprise') }}

),

region_months as (

  select
    months.*,
    regions.region_code
  from {{ ref('mart_scorecards__area_months') }} as months
  inner join {{ ref('regions') }} as regions
    on regions.region_code = months.area_code

),

personnel as (

  select * from {{ ref('stg_personnel') }}

),

disclosures as (

  select * from {{ ref('stg_disclosures') }}

),

lifts as (

  select distinct
    lift_id,
    community_id,
    origin_code
  from {{ ref('stg_lifts') }}
  where in_use_from >= date '2026-01-01' and in_use_from <= {{ business_date() }}
    and coalesce(out_of_use_on > {{ business_date() }}, true)

),

lift_feed as (

  select is_available from {{ ref('mart_scoring__feeds') }} where feed = 'lifts'

),

scored_enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

managed as (

  select
    ancestors.ancestor_region_code as region_code,
    count(*) as community_count,
    count(communities.current_uscc) as managed_count,
    count(*) filter (where enterprises.is_enterprise) as enterprise_managed_count,
    count(*) filter (where communities.built_year >= 2025) as new_count,
    count(*) filter (where communities.built_year >= 2025 and enterprises.is_enterprise) as new_enterprise_managed_count,
    count(*) filter (where communities.community_type_code = 'old') as old_count,
    count(communities.current_uscc) filter (where communities.community_type_code = 'old') as old_managed_count,
    count(*) filter (where communities.community_type_code = 'old' and enterprises.is_enterprise)
      as old_enterprise_managed_count
  from communities
  inner join ancestors
    on ancestors.region_code = communities.region_code
  left join enterprises
    on enterprises.uscc = communities.current_uscc
  group by ancestors.ancestor_region_code

),

disclosed as (

  select
    community_id,
    uscc,
    count(distinct disclosure_class_code) as class_count
  from disclosures
  where is_verified and {{ in_window('published_on', 12) }}
  group by community_id, uscc

),

disclosure_coverage as (

  select
    ancestors.ancestor_region_code as region_code,
    count(*) as community_count,
    count(disclosed.community_id) as disclosed_count,
    count(*) filter (where disclosed.class_count >= {{ var('disclosure_classes') }}) as fully_disclosed_count
  from communities
  inner join enterprises
    on enterprises.uscc = communities.current_uscc and enterprises.is_enterprise
  inner join ancestors
    on ancestors.region_code = communities.region_code
  left join disclosed
    on disclosed.community_id = communities.community_id and disclosed.uscc = communities.current_uscc
  group by ancestors.ancestor_region_code

),

-- the newest quarter whose two classes are due from the manager of today
newest_quarters as (

  select distinct on (quarters.community_id)
    quarters.community_id,
    quarters.uscc,
    quarters.quarter_on,
    communities.region_code
  from {{ ref('int_quarters__due') }} as quarters
  inner join communities
    on communities.community_id = quarters.community_id and communities.current_uscc = quarters.uscc
  where quarters.disclosure_due_on <= {{ business_date() }}
  order by quarters.community_id, quarters.quarter_on desc

),

quarterly_classes as (

  select
    newest_quarters.community_id,
    newest_quarters.region_code,
    count(distinct disclosures.disclosure_class_code) as class_count
  from newest_quarters
  left join disclosures
    on disclosures.community_id = newest_quarters.community_id
    and disclosures.uscc = newest_quarters.uscc
    and disclosures.period_start_on = newest_quarters.quarter_on
    and disclosures.disclosure_class_code in ('c03', 'c04')
    and disclosures.published_on <= {{ business_date() }}
    and disclosures.is_verified
  group by newest_quarters.community_id, newest_quarters.region_code

),

quarterly_disclosures as (

  select
    ancestors.ancestor_region_code as region_code,
    count(*) as due_count,
    count(*) filter (where quarterly_classes.class_count = 2) as disclosed_count
  from quarterly_classes
  inner join ancestors
    on ancestors.region_code = quarterly_classes.region_code
  group by ancestors.ancestor_region_code

),

-- an account of its own: common revenue and nothing else, of one community and no other
income_accounts as (

  select distinct community_id
  from {{ ref('int_accounts__described') }}
  where is_for_common_revenue and type_count = 1 and owners_community_count = 1 and community_id is not null

),

separate_accounts as (

  select
    ancestors.ancestor_region_code as region_code,
    count(*) as community_count,
    count(income_accounts.community_id) as separate_count
  from communities
  inner join enterprises
    on enterprises.uscc = communities.current_uscc and enterprises.is_enterprise
  inner join ancestors
    on ancestors.region_code = communities.region_code
  left join income_accounts
    on income_accounts.community_id = communities.community_id
  group by ancestors.ancestor_region_code

),

trained as (

  select
    ancestors.ancestor_region_code as region_code,
    count(*) as staff_count,
    count(*) filter (where personnel.pre_job_trained_on <= personnel.hired_on) as pre_job_count,
    count(*) filter (where {{ in_window('personnel.continuing_trained_on', 12) }}) as continuing_count
  from personnel
  inner join scored_enterprises
    on scored_enterprises.uscc = personnel.uscc
  inner join ancestors
    on ancestors.region_code = scored_enterprises.region_code
  where personnel.hired_on <= {{ business_date() }} and coalesce(personnel.left_on > {{ business_date() }}, true)
  group by ancestors.ancestor_region_code

),

-- feeds that are silent tonight, of the region or of one district in it: what needs them is not known
silences as (

  select distinct
    area_code,
    feed
  from {{ ref('mart_scorecards__silences') }}
  where until_on = {{ business_date() }}

),

-- the same months of 2025, and the same days of the month in progress
volumes as (

  select
    region_code,
    sum(complaint_count) filter (where is_this_year) as complaint_count,
    sum(household_months) filter (where is_this_year) as household_months,
    sum(resolution_due_count) filter (where is_this_year) as resolution_due_count,
    sum(resolved_within_24h_count) filter (where is_this_year) as resolved_within_24h_count,
    sum(case when is_in_progress then complaint_count_to_day else complaint_count end) filter (where is_base)
      as base_complaint_count,
    sum(household_months * case when is_in_progress then day_reached else 1 end) filter (where is_base)
      as base_household_months,
    sum(case when is_in_progress then resolution_due_count_to_day else resolution_due_count end) filter (where is_base)
      as base_resolution_due_count,
    sum(case when is_in_progress then resolved_within_24h_count_to_day else resolved_within_24h_count end)
      filter (where is_base) as base_resolved_within_24h_count,
    coalesce(bool_or(is_complaints_missing) filter (where is_this_year or is_base), false) as is_missing
  from (
    select
      *,
      extract(month from month) = extract(month from {{ business_date() }}) as is_in_progress,
      least(
        {{ day_reached('complaints') }} / extract(day from month + interval '1 month' - interval '1 day'), 1
      ) as day_reached,
      extract(year from month) = extract(year from {{ business_date() }}) as is_this_year,
      extract(year from month) = 2025
        and extract(month from month) <= extract(month from {{ business_date() }}) as is_base
    from region_months
  ) as marked
  group by region_code
  -- a base with a month missing is none
  having count(*) filter (where is_base) = extract(month from {{ business_date() }})

),

-- 2026-28 together, as the target is; none at all where the lifts' office has sent nothing yet
lift_works as (

  select
    ancestors.ancestor_region_code as region_code,
    count(distinct lifts.lift_id) filter (where lifts.origin_code = 'renewed') as renewed_count,
    count(distinct lifts.lift_id) filter (where lifts.origin_code = 'added') as added_count
  from communities
  inner join ancestors
    on ancestors.region_code = communities.region_code
  cross join lift_feed
  left join lifts
    on lifts.community_id = communities.community_id
  where lift_feed.is_available
  group by ancestors.ancestor_region_code

),

committees as (

  select
    community_id,
    member_count,
    party_member_count,
    case when training_year = extract(year from {{ business_date() }}) then training_count else 0 end as training_count
  from {{ ref('stg_owners_committees') }}
  where formed_on <= {{ business_date() }} and coalesce(dissolved_on > {{ business_date() }}, true)

),

committee_feed as (

  select is_available from {{ ref('mart_scoring__feeds') }} where feed = 'owners_committees'

),

committee_counts as (

  select
    ancestors.ancestor_region_code as region_code,
    count(distinct communities.community_id) as community_count,
    count(distinct committees.community_id) as with_committee_count,
    count(committees.community_id) as committee_count,
    sum(committees.training_count) as training_count,
    count(*) filter (where committees.training_count >= 2) as trained_committee_count,
    sum(committees.party_member_count) filter (where committees.member_count is not null) as party_member_count,
    sum(committees.member_count) filter (where committees.party_member_count is not null) as member_count
  from communities
  inner join ancestors
    on ancestors.region_code = communities.region_code
  cross join committee_feed
  left join committees
    on committees.community_id = communities.community_id
  where committee_feed.is_available
  group by ancestors.ancestor_region_code

),

-- a level says nothing without its edition: the target is one of DB15/T 970-2016
honours as (

  select
    community_id,
    bool_or(
      honour_code in ('first_level', 'second_level') and standard_edition = 'DB15/T 970-2016'
    ) as is_second_level,
    bool_or(honour_code in ('excellent', 'model')) as is_model
  from {{ ref('stg_project_honours') }}
  where granted_on <= {{ business_date() }}
    and coalesce(valid_until >= {{ business_date() }}, true)
    and coalesce(revoked_on > {{ business_date() }}, true)
  group by community_id

),

honour_feed as (

  select is_available from {{ ref('mart_scoring__feeds') }} where feed = 'project_honours'

),

honour_counts as (

  select
    ancestors.ancestor_region_code as region_code,
    count(*) filter (where honours.is_second_level) as second_level_count,
    count(*) filter (where honours.is_model) as model_count
  from communities
  inner join ancestors
    on ancestors.region_code = communities.region_code
  cross join honour_feed
  left join honours
    on honours.community_id = communities.community_id
  where honour_feed.is_available
  group by ancestors.ancestor_region_code

),

enrolled as (

  select community_id
  from {{ ref('stg_mashangban_enrolments') }}
  where enrolled_on <= {{ business_date() }} and coalesce(withdrawn_on > {{ business_date() }}, true)

),

enrolment_feed as (

  select is_available from {{ ref('mart_scoring__feeds') }} where feed = 'mashangban_enrolments'

),

enrolment_counts as (

  select
    ancestors.ancestor_region_code as region_code,
    count(*) as community_count,
    count(enrolled.community_id) as enrolled_count
  from communities
  inner join ancestors
    on ancestors.region_code = communities.region_code
  cross join enrolment_feed
  left join enrolled
    on enrolled.community_id = communities.community_id
  where enrolment_feed.is_available
  group by ancestors.ancestor_region_code

),

disputes as (

  select
    *,
    closed_on is not null and outcome_code <> 'withdrawn' as is_ended
  from {{ ref('int_disputes__resolved') }}
  where received_on >= date_trunc('year', {{ business_date() }}::timestamp)::date

),

dispute_counts as (

  select
    ancestors.ancestor_region_code as region_code,
    count(*) filter (where disputes.is_answer_due) as answer_due_count,
    count(*) filter (where disputes.is_answer_due and disputes.answered_on is not null) as answered_count,
    count(*) filter (where disputes.is_closing_due) as closing_due_count,
    count(*) filter (where disputes.is_closing_due and not disputes.is_late) as in_time_count,
    count(*) filter (where disputes.is_ended and disputes.complexity_code = 'simple') as simple_closed_count,
    count(*) filter (
      where disputes.is_ended and disputes.complexity_code = 'simple' and disputes.level_code = 'community'
        and disputes.escalated_on is null
    ) as simple_in_community_count,
    count(*) filter (where disputes.is_ended and disputes.complexity_code = 'complex') as complex_closed_count,
    count(*) filter (
      where disputes.is_ended and disputes.complexity_code = 'complex' and disputes.level_code <> 'district'
    ) as complex_in_street_count
  from disputes
  inner join communities
    on communities.community_id = disputes.community_id
  inner join ancestors
    on ancestors.region_code = communities.region_code
  group by ancestors.ancestor_region_code

),

meeting_feed as (

  select is_available from {{ ref('mart_scoring__feeds') }} where feed = 'joint_meetings'

),

meetings as (

  select street_code
  from {{ ref('stg_joint_meetings') }}
  where established_on <= {{ business_date() }} and coalesce(ended_on > {{ business_date() }}, true)

),

streets as (

  select distinct
    region_code,
    street_code
  from communities
  where street_code is not null

),

meeting_counts as (

  select
    ancestors.ancestor_region_code as region_code,
    count(*) as street_count,
    count(meetings.street_code) as with_meeting_count
  from streets
  inner join ancestors
    on ancestors.region_code = streets.region_code
  cross join meeting_feed
  left join meetings
    on meetings.street_code = streets.street_code
  where meeting_feed.is_available
  group by ancestors.ancestor_region_code

),

fee_counts as (

  select
    ancestors.ancestor_region_code as region_code,
    sum(quarters.receivable_amount) as receivable_amount,
    sum(quarters.received_amount) as received_amount
  from {{ ref('int_fee_collections__examined') }} as quarters
  inner join communities
    on communities.community_id = quarters.community_id
  inner join ancestors
    on ancestors.region_code = communities.region_code
  where {{ in_window('quarters.period_end_on', 12) }}
  group by ancestors.ancestor_region_code

),

contract_counts as (

  select
    regions.region_code,
    sum(terms.registered_count) as registered_count,
    sum(terms.model_count) as model_count
  from {{ ref('mart_scorecards__contract_terms') }} as terms
  inner join {{ ref('regions') }} as regions
    on regions.region_code = terms.area_code
  group by regions.region_code

),

tender_feed as (

  select is_available from {{ ref('mart_scoring__feeds') }} where feed = 'tenders'

),

chosen as (

  select distinct community_id
  from {{ ref('int_tenders__examined') }}
  where stage_code = 'early' and is_awarded and (method_code <> 'agreement' or is_approved)

),

tender_counts as (

  select
    ancestors.ancestor_region_code as region_code,
    count(*) as community_count,
    count(chosen.community_id) as chosen_count
  from communities
  inner join enterprises
    on enterprises.uscc = communities.current_uscc and enterprises.is_enterprise
  inner join ancestors
    on ancestors.region_code = communities.region_code
  cross join tender_feed
  left join chosen
    on chosen.community_id = communities.community_id
  where tender_feed.is_available and communities.built_year >= {{ threshold('new_community_from_year') }}
    and {{ is_reported('tenders', 'communities.region_code') }}
  group by ancestors.ancestor_region_code

),

counted as (

  {% for kpi_code, source, numerator, denominator in counts -%}
  select
    region_code,
    '{{ kpi_code }}' as kpi_code,
    {{ numerator }}::numeric as numerator,
    {{ denominator }}::numeric as denominator,
    null::numeric as base_value,
    null::numeric as current_value,
    exists (
      select 1
      from silences
      where silences.area_code = {{ source }}.region_code and silences.feed in ('{{ needs[source] | join("', '") }}')
    ) as is_missing
  from {{ source }}
  union all
  {% endfor -%}
  select
    region_code,
    'complaint_volume_change',
    (complaint_count - base_complaint_count)::numeric,
    base_complaint_count::numeric,
    base_complaint_count::numeric,
    complaint_count::numeric,
    is_missing
  from volumes
  union all
  select
    region_code,
    'complaint_rate_change',
    complaint_count * 1000 / nullif(household_months, 0) - base_complaint_count * 1000 / nullif(base_household_months, 0),
    base_complaint_count * 1000 / nullif(base_household_months, 0),
    base_complaint_count * 1000 / nullif(base_household_months, 0),
    complaint_count * 1000 / nullif(household_months, 0),
    is_missing
  from volumes
  union all
  select
    region_code,
    'complaint_within_24h_ratio',
    resolved_within_24h_count::numeric,
    resolution_due_count::numeric,
    base_resolved_within_24h_count / nullif(base_resolution_due_count, 0)::numeric,
    resolved_within_24h_count / nullif(resolution_due_count, 0)::numeric,
    is_missing
  from volumes

)

select
  region_code,
  kpi_code,
  {%- for value in ['numerator', 'denominator', 'base_value', 'current_value'] %}
  case when not is_missing then round({{ value }}, 6) end as {{ value }},
  {%- endfor %}
  case
    when not is_missing
      then round(case when denominator is null then numerator else numerator / nullif(denominator, 0) end, 4)
  end as actual_value,
  coalesce(is_missing, false) as is_missing
from counted
