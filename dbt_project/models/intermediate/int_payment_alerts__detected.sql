-- Where the owners' money went: split below a limit, to a related party, or out and back.
with payments as (

  select * from {{ ref('int_fund_payments__examined') }}

),

entries as (

  select * from {{ ref('int_fund_entries__attributed') }} where amount_cny > 0 and currency_code = 'CNY'

),

parties as (

  select * from {{ ref('stg_fund_counterparties') }}

),

relations as (

  select * from {{ ref('stg_related_parties') }}

),

-- payments below the limit that no vote covers, to one counterparty
small as (

  select
    *,
    booked_on - lag(booked_on) over (partition by account_no, community_id, party_key order by booked_on, entry_id)
      > {{ threshold('split_within_days') }} as is_apart
  from payments
  where account_type_code = 'maintenance_fund'
    and party_key is not null
    and vote_id is null
    and not is_emergency
    and paid_cny < {{ threshold('vote_free_amount_cny') }}

),

-- those with no longer gap between them belong to one run
in_runs as (

  select
    *,
    count(*) filter (where is_apart)
      over (partition by account_no, community_id, party_key order by booked_on, entry_id) as run_number
  from small

),

windows as (

  select
    starts.account_no,
    starts.community_id,
    starts.party_key,
    starts.run_number,
    starts.entry_id,
    count(*) as payment_count,
    sum(followers.paid_cny) as paid_cny
  from in_runs as starts
  inner join in_runs as followers
    on followers.account_no = starts.account_no
    and followers.community_id = starts.community_id
    and followers.party_key = starts.party_key
    and followers.run_number = starts.run_number
    and followers.booked_on between starts.booked_on and starts.booked_on + {{ threshold('split_within_days') }}::integer
  group by starts.account_no, starts.community_id, starts.party_key, starts.run_number, starts.entry_id
  having count(*) >= {{ threshold('split_payments_from') }}
    and sum(followers.paid_cny) >= {{ threshold('vote_free_amount_cny') }}

),

split_runs as (

  select distinct
    account_no,
    community_id,
    party_key,
    run_number
  from windows

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

-- the first entry that brings the money back, all of it but a fee
returned as (

  select distinct on (payments.entry_id)
    payments.entry_id,
    entries.entry_id as back_entry_id,
    entries.booked_on as back_on
  from payments
  inner join entries
    on entries.account_no = payments.account_no
    and entries.booked_on between payments.booked_on
      and payments.booked_on + {{ threshold('round_trip_within_days') }}::integer
    and entries.amount_cny <= payments.paid_cny
    and entries.amount_cny >= payments.paid_cny * (1 - {{ threshold('round_trip_fee_ratio') }})
  inner join parties
    on parties.entry_id = entries.entry_id and parties.party_key = payments.party_key
  where coalesce(entries.purpose_code, 'other') not in ('reversal', 'opening', 'interest')
  order by payments.entry_id, entries.booked_on, entries.entry_id

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
    returned.back_on as last_on,
    payments.paid_cny as amount_cny,
    jsonb_build_array(
      jsonb_build_object('feed', 'funds', 'ids', jsonb_build_array(payments.entry_id, returned.back_entry_id))
    ) as evidence
  from payments
  inner join returned
    on returned.entry_id = payments.entry_id

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
  {{ is_raisable('last_on') }} as is_raisable
from unioned
