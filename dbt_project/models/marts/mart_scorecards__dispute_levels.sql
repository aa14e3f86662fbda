-- Disputes received this year by area and level: closed, in time, handed on, settled where they belong, kept, answered.
with areas as (

  select * from {{ ref('int_areas__expanded') }}

),

communities as (

  select * from {{ ref('dim_community') }}

),

disputes as (

  select * from {{ ref('int_disputes__resolved') }}
  where received_on >= date_trunc('year', {{ business_date() }}::timestamp)::date

)

select
  areas.area_code,
  disputes.level_code,
  count(*)::integer as received_count,
  count(disputes.closed_on)::integer as closed_count,
  (count(*) filter (where disputes.closed_on is not null and not disputes.is_late))::integer as in_time_count,
  (count(*) filter (where disputes.is_overdue))::integer as overdue_count,
  count(disputes.escalated_on)::integer as escalated_count,
  (count(*) filter (where disputes.outcome_code = 'settled'))::integer as settled_count,
  (count(*) filter (where disputes.is_agreement_due))::integer as agreement_due_count,
  (count(*) filter (where disputes.is_agreement_due and disputes.is_agreement_kept))::integer as agreement_kept_count,
  (count(*) filter (where disputes.origin_code = 'petition'))::integer as petition_count,
  (count(*) filter (where disputes.origin_code = 'petition' and disputes.answered_on is not null))::integer
    as petition_answered_count
from disputes
inner join communities
  on communities.community_id = disputes.community_id
inner join areas
  on areas.leaf_area_code = coalesce(communities.street_code, communities.region_code)
group by areas.area_code, disputes.level_code
