-- Use of the maintenance fund against its procedure: votes (民法典 278) and emergencies (民法典 281).
with payments as (

  select * from {{ ref('int_fund_payments__examined') }} where account_type_code = 'maintenance_fund'

),

votes as (

  select * from {{ ref('int_fund_votes__checked') }}

),

communities as (

  select * from {{ ref('stg_communities') }}

),

emergencies as (

  select * from {{ ref('stg_emergency_repairs') }}

),

-- a silent office may have on file what is not known here
covered as (

  select
    region_code,
    max(complete_until) filter (where feed = 'fund_votes') as votes_complete_until,
    max(complete_until) filter (where feed = 'emergency_repairs') as repairs_complete_until
  from {{ ref('int_feed_districts__covered') }}
  group by region_code

),

listed_uses as (

  select distinct on (use_code) *
  from {{ ref('emergency_uses') }}
  order by use_code, {{ in_force_first('valid_from') }}

),

unvoted as (

  select
    'spending_without_vote/' || payments.entry_id as alert_id,
    'spending_without_vote' as kind_code,
    payments.uscc,
    payments.community_id,
    payments.region_code,
    payments.account_no,
    payments.booked_on as first_on,
    payments.paid_cny as amount_cny,
    jsonb_build_array(jsonb_build_object('feed', 'funds', 'ids', jsonb_build_array(payments.entry_id))) as evidence,
    payments.vote_id is null or payments.booked_on <= coalesce(covered.votes_complete_until, {{ business_date() }}) as is_told
  from payments
  left join votes
    on votes.vote_id = payments.vote_id
    and votes.community_id = payments.community_id
    and votes.purpose_code = 'use'
    and votes.decided_on <= payments.booked_on
  left join covered
    on covered.region_code = payments.region_code
  where not payments.is_emergency
    and payments.paid_cny >= {{ threshold('vote_free_amount_cny') }}
    and votes.vote_id is null
    -- a register that no office of the city has ever delivered says nothing about a payment
    and (payments.vote_id is null or {{ is_reported('fund_votes', 'payments.region_code') }})

),

paid_by_vote as (

  select
    vote_id,
    min(uscc) as uscc,
    min(region_code) as region_code,
    min(account_no) as account_no,
    min(booked_on) as first_on,
    sum(paid_cny) as paid_cny,
    {{ evidence('funds', 'entry_id') }} as evidence
  from payments
  where vote_id is not null
  group by vote_id

),

-- a vote to use the fund matters once money was paid by it, one to raise it at once
judged_votes as (

  select
    votes.*,
    communities.region_code,
    paid_by_vote.uscc,
    paid_by_vote.account_no,
    coalesce(paid_by_vote.first_on, votes.decided_on) as first_on,
    paid_by_vote.paid_cny,
    jsonb_build_array(jsonb_build_object('feed', 'fund_votes', 'ids', jsonb_build_array(votes.vote_id)))
      || coalesce(jsonb_build_array(paid_by_vote.evidence), '[]'::jsonb) as evidence
  from votes
  inner join communities
    on communities.community_id = votes.community_id
  left join paid_by_vote
    on paid_by_vote.vote_id = votes.vote_id
  where paid_by_vote.vote_id is not null or votes.purpose_code = 'raise'

),

invalid as (

  select
    'vote_invalid/' || vote_id as alert_id,
    'vote_invalid' as kind_code,
    uscc,
    community_id,
    region_code,
    account_no,
    first_on,
    paid_cny as amount_cny,
    evidence,
    true as is_told
  from judged_votes
  where not (is_quorate and is_carried)

),

exceeded as (

  select
    'vote_exceeded/' || vote_id as alert_id,
    'vote_exceeded' as kind_code,
    uscc,
    community_id,
    region_code,
    account_no,
    first_on,
    paid_cny - approved_cny as amount_cny,
    evidence,
    true as is_told
  from judged_votes
  where paid_cny > approved_cny

),

-- payments of one emergency belong together; without one on record each stands alone
emergency_payments as (

  select
    coalesce(emergencies.emergency_id, payments.entry_id) as subject_id,
    emergencies.emergency_id,
    min(payments.uscc) as uscc,
    payments.community_id,
    min(payments.region_code) as region_code,
    min(payments.account_no) as account_no,
    min(payments.booked_on) as first_on,
    sum(payments.paid_cny) as amount_cny,
    case when emergencies.emergency_id is null
      then jsonb_build_array({{ evidence('funds', 'payments.entry_id') }})
      else jsonb_build_array(
        jsonb_build_object('feed', 'emergency_repairs', 'ids', jsonb_build_array(emergencies.emergency_id)),
        {{ evidence('funds', 'payments.entry_id') }})
    end as evidence
  from payments
  left join emergencies
    on emergencies.emergency_id = payments.emergency_id and emergencies.community_id = payments.community_id
  where payments.is_emergency
  group by coalesce(emergencies.emergency_id, payments.entry_id), emergencies.emergency_id, payments.community_id

),

outside_list as (

  select
    'emergency_outside_list/' || paid.subject_id as alert_id,
    'emergency_outside_list' as kind_code,
    paid.uscc,
    paid.community_id,
    paid.region_code,
    paid.account_no,
    paid.first_on,
    paid.amount_cny,
    paid.evidence,
    emergencies.emergency_id is not null and listed_uses.use_code is null
      or paid.first_on <= coalesce(covered.repairs_complete_until, {{ business_date() }}) as is_told
  from emergency_payments as paid
  left join emergencies
    on emergencies.emergency_id = paid.emergency_id
  left join listed_uses
    on listed_uses.use_code = emergencies.use_code
  left join covered
    on covered.region_code = paid.region_code
  where {{ is_reported('emergency_repairs', 'paid.region_code') }} and (
    listed_uses.use_code is null or listed_uses.is_recognition_needed and emergencies.recognised_on is null
  )

),

unfiled as (

  select
    'emergency_unfiled/' || paid.subject_id as alert_id,
    'emergency_unfiled' as kind_code,
    paid.uscc,
    paid.community_id,
    paid.region_code,
    paid.account_no,
    emergencies.occurred_on + {{ threshold('emergency_filing_days') }}::integer + 1 as first_on,
    paid.amount_cny,
    paid.evidence,
    emergencies.filed_on is not null
      or emergencies.occurred_on + {{ threshold('emergency_filing_days') }}::integer
      < coalesce(covered.repairs_complete_until, {{ business_date() }}) as is_told
  from emergency_payments as paid
  inner join emergencies
    on emergencies.emergency_id = paid.emergency_id
  left join covered
    on covered.region_code = paid.region_code
  where coalesce(emergencies.filed_on, {{ business_date() }})
    > emergencies.occurred_on + {{ threshold('emergency_filing_days') }}::integer

),

unioned as (

  {% for part in ['unvoted', 'invalid', 'exceeded', 'outside_list', 'unfiled'] -%}
  select * from {{ part }}
  {% if not loop.last %}union all{% endif %}
  {% endfor %}
)

select
  alert_id,
  kind_code,
  uscc,
  community_id,
  region_code,
  account_no,
  first_on,
  amount_cny,
  evidence,
  first_on as last_on,
  is_told
from unioned
