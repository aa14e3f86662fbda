-- Who was responsible for a community on which days. Contracts may overlap and leave gaps: the days are cut wherever
-- a contract starts, ends or passes to another enterprise, the community changes or a protection step is reached, and each
-- piece goes to the contract that started last.
with contracts as (

  select * from {{ ref('stg_contracts') }}

),

communities as (

  select * from {{ ref('stg_community_periods') }}

),

contract_periods as (

  select * from {{ ref('stg_contract_periods') }}

),

enterprises as (

  select * from {{ ref('stg_enterprises') }}

),

-- a contract past its ends_on goes on until somebody ends it (民法典 948); ended_on is the last day of service
held as (

  select
    contracts.contract_id,
    contracts.community_id,
    coalesce(contract_periods.uscc, contracts.uscc) as uscc,
    contracts.starts_on as contract_starts_on,
    contracts.ended_on,
    greatest(contracts.starts_on, contract_periods.valid_from) as starts_on,
    least(contracts.ended_on, contract_periods.valid_to, {{ business_date() }}) as last_on,
    contracts.is_takeover and contracts.takeover_certified_on <= {{ business_date() }} as is_certified_takeover
  from contracts
  left join contract_periods
    on contract_periods.contract_id = contracts.contract_id
  where contracts.starts_on <= {{ business_date() }}
    and coalesce(contracts.ended_on, {{ business_date() }}) >= contracts.starts_on

),

{%- if rule('other_manager') == 'ends_it' %}

-- one that nobody ended is over when another enterprise begins, and stays so when that one leaves
served as (

  select
    held.contract_id,
    held.community_id,
    held.uscc,
    held.contract_starts_on,
    held.starts_on,
    least(
      held.last_on,
      case when held.ended_on is null then (
        select min(others.starts_on) - 1
        from held as others
        where others.community_id = held.community_id
          and others.contract_id <> held.contract_id
          and others.uscc <> held.uscc
          and others.contract_starts_on > held.contract_starts_on
          and others.last_on >= others.starts_on
      ) end
    ) as last_on
  from held

),
{%- else %}

served as (

  select * from held

),
{%- endif %}

relations as (

  select * from {{ ref('stg_related_parties') }} where relation_code in ('same_controller', 'subsidiary')

),

-- two firms under one controller: one names the other, or both name the same third as being under it
named as (

  select
    relations.uscc,
    names.uscc as other_uscc,
    relations.valid_from,
    relations.valid_to
  from relations
  inner join {{ ref('stg_enterprise_names') }} as names
    on names.name_key = relations.party_key

),

sisters as (

  select * from named
  union
  select
    other_uscc as uscc,
    uscc as other_uscc,
    valid_from,
    valid_to
  from named
  union
  select
    relations.uscc,
    others.uscc as other_uscc,
    greatest(relations.valid_from, others.valid_from) as valid_from,
    least(relations.valid_to, others.valid_to) as valid_to
  from relations
  inner join relations as others
    on others.party_key = relations.party_key
    and others.uscc <> relations.uscc
  where relations.relation_code = 'same_controller' and others.relation_code = 'same_controller'

),

takeovers as (

  select
    community_id,
    uscc,
    contract_starts_on as starts_on
  from held
  where is_certified_takeover and last_on >= starts_on

),

-- once per community and controller: a second certified take-over, by the same firm or by one that is under the same
-- controller that day, starts no new protection
protections as (

  select
    takeovers.community_id,
    takeovers.uscc,
    least(min(takeovers.starts_on), min(earlier.starts_on)) as protected_from
  from takeovers
  left join sisters
    on sisters.uscc = takeovers.uscc
    and coalesce(sisters.valid_from <= takeovers.starts_on, true)
    and coalesce(sisters.valid_to >= takeovers.starts_on, true)
  left join takeovers as earlier
    on earlier.community_id = takeovers.community_id
    and earlier.uscc = sisters.other_uscc
    and earlier.starts_on < takeovers.starts_on
  group by takeovers.community_id, takeovers.uscc

),

boundaries as (

  select community_id, starts_on as boundary_on from served
  union
  select community_id, last_on + 1 from served
  union
  select community_id, valid_from from communities where valid_from > '-infinity'
  union
  select community_id, valid_to + 1 from communities where valid_to < 'infinity'
  {% for step in var('protection') -%}
  union
  select community_id, (protected_from + interval '{{ step.until_month }} months')::date from protections
  {% endfor %}

),

pieces as (

  select
    community_id,
    boundary_on as starts_on,
    lead(boundary_on) over (partition by community_id order by boundary_on) - 1 as ends_on
  from boundaries
  where boundary_on <= {{ business_date() }} + 1

),

responsible as (

  select distinct on (pieces.community_id, pieces.starts_on)
    pieces.community_id,
    pieces.starts_on,
    pieces.ends_on,
    served.contract_id,
    served.uscc
  from pieces
  inner join served
    on served.community_id = pieces.community_id
    and served.starts_on <= pieces.starts_on
    and served.last_on >= pieces.ends_on
  where pieces.ends_on is not null
  order by pieces.community_id, pieces.starts_on, served.contract_starts_on desc, served.contract_id desc

)

select
  responsible.community_id,
  responsible.starts_on,
  responsible.ends_on,
  responsible.uscc,
  responsible.contract_id,
  enterprises.organisation_type_code = 'enterprise' as is_enterprise,
  communities.household_count,
  protections.protected_from,
  case
    when protections.protected_from is null then 1
    when responsible.starts_on < protections.protected_from then 1
    {% for step in var('protection') -%}
    when responsible.starts_on < protections.protected_from + interval '{{ step.until_month }} months'
      then {{ step.weight }}
    {% endfor -%}
    else 1
  end::numeric(4, 2) as protection_weight
from responsible
inner join communities
  on communities.community_id = responsible.community_id
  and {{ holds_on('communities', 'responsible.starts_on') }}
inner join enterprises
  on enterprises.uscc = responsible.uscc
left join protections
  on protections.community_id = responsible.community_id and protections.uscc = responsible.uscc
