-- Where the owners' money went: split below a limit, to a related party, or out and back.
with payments as not materialized (

  select * from {{ ref('int_fund_payments__examined') }}

),

followed as (

  select * from {{ ref('int_fund_payments__followed') }}

),

relations as (

  select * from {{ ref('stg_related_parties') }}

),

-- where a split payment begins, all small ones from that account to that counterparty
split_parties as (

  select distinct
    payments.account_no,
    payments.community_id,
    payments.party_key
  from followed
  inner join payments
    on payments.entry_id = followed.entry_id
  where followed.is_split

),

small as (

  select
    payments.*,
    payments.booked_on - lag(payments.booked_on) over (
      partition by payments.account_no, payments.community_id, payments.party_key
      order by payments.booked_on, payments.entry_id
    ) > {{ threshold('split_within_days') }} as is_apart
  from split_parties
  inner join payments
    on payments.account_no = split_parties.account_no
    and payments.community_id = split_parties.community_id
    and payments.party_key = split_parties.party_key
  where {{ is_small_payment('payments') }}

),

-- those with no longer gap between them belong to one run
in_runs as (

  select
    *,
    count(*) filter (where is_apart)
      over (partition by account_no, community_id, party_key order by booked_on, entry_id) as run_number
  from small

),

split_runs as (

  select distinct
    in_runs.account_no,
    in_runs.community_id,
    in_runs.party_key,
    in_runs.run_number
  from in_runs
  inner join followed
    on followed.entry_id = in_runs.entry_id
  where followed.is_split

),

splits as (

  select
    'split_payments/' || in_runs.community_id || '/' || min(in_runs.entry_id) as alert_id,
    'split_payments' as kind_code,
    min(in_runs.uscc) as uscc,
    in_runs.community_id,
    min(in_runs.region_code) as region_code,
    in_runs.account_no,
    min(in_runs.booked_on) as first_on,
    max(in_runs.booked_on) as last_on,
    sum(in_runs.paid_cny) as amount_cny,
    jsonb_build_array({{ evidence('funds', 'in_runs.entry_id') }}) as evidence
  from in_runs
  inner join split_runs
    on split_runs.account_no = in_runs.account_no
    and split_runs.community_id = in_runs.community_id
    and split_runs.party_key = in_runs.party_key
    and split_runs.run_number = in_runs.run_number
  group by in_runs.account_no, in_runs.community_id, in_runs.party_key, in_runs.run_number

),

-- one case a relation, community and quarter
related as (

  select
    'related_party_payment/' || relations.relation_id || '/' || payments.community_id || '/'
      || date_trunc('quarter', payments.booked_on)::date as alert_id,
    'related_party_payment' as kind_code,
    relations.uscc,
    payments.community_id,
    min(payments.region_code) as region_code,
    min(payments.account_no) as account_no,
    min(payments.booked_on) as first_on,
    max(payments.booked_on) as last_on,
    sum(payments.paid_cny) as amount_cny,
    jsonb_build_array(
      jsonb_build_object('feed', 'related_parties', 'ids', jsonb_build_array(relations.relation_id)),
      {{ evidence('funds', 'payments.entry_id') }}
    ) as evidence
  from payments
  inner join relations
    on relations.party_key = payments.party_key
    and relations.uscc = payments.uscc
    and payments.booked_on >= coalesce(relations.valid_from, payments.booked_on)
    and payments.booked_on <= coalesce(relations.valid_to, payments.booked_on)
  where payments.community_id is not null
  group by relations.relation_id, relations.uscc, payments.community_id, date_trunc('quarter', payments.booked_on)

),

round_trips as (

  select
    'round_trip/' || payments.entry_id as alert_id,
    'round_trip' as kind_code,
    payments.uscc,
    payments.community_id,
    payments.region_code,
    payments.account_no,
    payments.booked_on as first_on,
    followed.back_on as last_on,
    payments.paid_cny as amount_cny,
    jsonb_build_array(
      jsonb_build_object('feed', 'funds', 'ids', jsonb_build_array(payments.entry_id, followed.back_entry_id))
    ) as evidence
  from followed
  inner join payments
    on payments.entry_id = followed.entry_id
  where followed.back_entry_id is not null

),

unioned as (

  select * from splits
  union all
  select * from related
  union all
  select * from round_trips

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
  last_on
from unioned
