-- Every enterprise that left a community: notice, street, handover, successor. A renewal is no exit.
with contracts as (

  select * from {{ ref('stg_contracts') }}

),

communities as (

  select * from {{ ref('stg_communities') }}

),

enterprises as (

  select * from {{ ref('stg_enterprises') }} where organisation_type_code = 'enterprise'

),

-- a contract may have several handovers on record: the one due last is the one that stands
handovers as (

  select distinct on (contract_id) *
  from {{ ref('stg_handovers') }}
  where contract_id is not null
  order by contract_id, due_on desc, handover_id desc

),

followed as (

  select
    contracts.*,
    lead(contracts.uscc) over (
      partition by contracts.community_id order by contracts.starts_on, contracts.contract_id
    ) as next_uscc,
    lead(contracts.starts_on) over (
      partition by contracts.community_id order by contracts.starts_on, contracts.contract_id
    ) as next_starts_on
  from contracts
  where contracts.starts_on <= {{ business_date() }}

),

ended as (

  select
    followed.*,
    followed.ended_on - followed.notice_given_on as notice_days,
    -- owners who dismiss, and parties who agree, need no notice of the manager
    case
      when followed.end_reason_code not in ('left_with_notice', 'left_without_notice') then null
      when followed.ended_on <= followed.ends_on then {{ threshold('exit_notice_at_term_days') }}
      else {{ threshold('exit_notice_open_term_days') }}
    end::integer as required_notice_days
  from followed
  inner join enterprises
    on enterprises.uscc = followed.uscc
  where followed.ended_on <= {{ business_date() }}
    and not coalesce(
      followed.next_uscc = followed.uscc
      and followed.next_starts_on - followed.ended_on <= {{ threshold('exit_carried_on_days') }}, false
    )

)

select
  ended.contract_id,
  ended.community_id,
  communities.region_code,
  ended.uscc,
  ended.starts_on,
  ended.ends_on,
  ended.ended_on,
  ended.end_reason_code,
  ended.notice_given_on,
  ended.notice_days,
  ended.required_notice_days,
  ended.required_notice_days is null or coalesce(ended.notice_days >= ended.required_notice_days, false) as is_notice_in_time,
  ended.street_informed_on,
  coalesce(ended.street_informed_on <= ended.ended_on, false) as is_street_informed,
  handovers.handover_id,
  coalesce(handovers.due_on, ended.ended_on + {{ threshold('handover_due_days') }}::integer) as handover_due_on,
  handovers.completed_on as handover_completed_on,
  handovers.are_documents_complete,
  handovers.are_facilities_complete,
  handovers.are_accounts_complete,
  handovers.is_street_present,
  coalesce(
    handovers.completed_on <= handovers.due_on
    and handovers.are_documents_complete and handovers.are_facilities_complete and handovers.are_accounts_complete, false
  ) as is_orderly_handover,
  ended.next_uscc as successor_uscc,
  ended.next_starts_on as successor_starts_on,
  greatest(coalesce(ended.next_starts_on, {{ business_date() }} + 1) - ended.ended_on - 1, 0) as unmanaged_days
from ended
inner join communities
  on communities.community_id = ended.community_id
left join handovers
  on handovers.contract_id = ended.contract_id
