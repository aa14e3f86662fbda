-- Two bidders of one tender that a register of related parties connects on the day the bids were opened: both name the same
-- party, or one names the other. A connection is a question for a person, not an offence.
with tenders as (

  select * from {{ ref('int_tenders__examined') }}

),

relations as (

  select * from {{ ref('stg_related_parties') }}

),

names as (

  select * from {{ ref('stg_enterprise_names') }}

),

bids as (

  select
    bids.tender_id,
    bids.uscc,
    coalesce(tenders.opened_on, bids.scored_on) as opened_on
  from {{ ref('stg_tender_bids') }} as bids
  inner join tenders
    on tenders.tender_id = bids.tender_id

),

-- a firm's own name stands beside the parties it names
parties as (

  select
    uscc,
    party_key,
    relation_id,
    valid_from,
    valid_to
  from relations
  union all
  select
    uscc,
    name_key as party_key,
    null as relation_id,
    null::date as valid_from,
    null::date as valid_to
  from names

),

bidders as (

  select
    bids.tender_id,
    bids.uscc,
    bids.opened_on,
    parties.party_key,
    parties.relation_id
  from bids
  inner join parties
    on parties.uscc = bids.uscc
    and coalesce(parties.valid_from <= bids.opened_on, true)
    and coalesce(parties.valid_to >= bids.opened_on, true)

)

select
  firsts.tender_id,
  firsts.uscc,
  seconds.uscc as other_uscc,
  min(firsts.opened_on) as opened_on,
  array_remove(array_agg(distinct firsts.relation_id) || array_agg(distinct seconds.relation_id), null) as relation_ids
from bidders as firsts
inner join bidders as seconds
  on seconds.tender_id = firsts.tender_id
  and seconds.party_key = firsts.party_key
  and seconds.uscc > firsts.uscc
where coalesce(firsts.relation_id, seconds.relation_id) is not null
group by firsts.tender_id, firsts.uscc, seconds.uscc
