-- What calls for an alert about exits, by what is known tonight: the exit itself, its handover, and what it left behind.
with exits as (

  select * from {{ ref('int_exits__resolved') }}

),

-- one that went into another needs no manager any more
communities as (

  select * from {{ ref('stg_community_periods') }} as periods
  where {{ holds_on('periods', business_date()) }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }}

),

covered_handovers as (

  select * from {{ ref('int_feed_districts__covered') }} where feed = 'handovers'

),

covered_contracts as (

  select * from {{ ref('int_feed_districts__covered') }} where feed = 'contracts'

),

judged as (

  select
    exits.*,
    exits.required_notice_days is not null and exits.notice_given_on is null
      and {{ is_reported('exit_notices', 'exits.region_code') }} as is_without_notice,
    exits.required_notice_days is not null and exits.notice_days < exits.required_notice_days as is_notice_short,
    not exits.is_street_informed and {{ is_reported('street_notices', 'exits.region_code') }} as is_street_uninformed,
    exits.handover_completed_on is null and exits.handover_due_on < {{ business_date() }}
      and {{ is_reported('handovers', 'exits.region_code') }} as is_handover_overdue,
    exits.handover_completed_on is not null
      and not coalesce(exits.are_documents_complete and exits.are_facilities_complete and exits.are_accounts_complete, false)
      as is_handover_incomplete,
    exits.handover_completed_on is not null and not coalesce(exits.is_street_present, false) as is_without_street,
    coalesce(covered_handovers.complete_until, {{ business_date() }}) as handovers_complete_until
  from exits
  left join covered_handovers
    on covered_handovers.region_code = exits.region_code

),

of_exits as (

  select
    kinds.kind_code || '/' || judged.contract_id as alert_id,
    kinds.kind_code,
    judged.uscc,
    judged.community_id,
    judged.region_code,
    kinds.first_on,
    jsonb_build_array(jsonb_build_object('feed', 'contracts', 'ids', jsonb_build_array(judged.contract_id)))
      || case when kinds.kind_code like 'handover%' and judged.handover_id is not null
        then jsonb_build_array(jsonb_build_object('feed', 'handovers', 'ids', jsonb_build_array(judged.handover_id)))
        else '[]'::jsonb
      end as evidence,
    judged.ended_on as last_on,
    kinds.kind_code <> 'handover_overdue' or judged.handover_due_on < judged.handovers_complete_until as is_told
  from judged
  {{ with_kinds([
    ('exit_without_notice', 'is_without_notice', 'ended_on'),
    ('exit_notice_short', 'is_notice_short', 'ended_on'),
    ('exit_street_not_informed', 'is_street_uninformed', 'ended_on'),
    ('handover_overdue', 'is_handover_overdue', 'handover_due_on + 1'),
    ('handover_incomplete', 'is_handover_incomplete', 'handover_completed_on'),
    ('handover_without_street', 'is_without_street', 'handover_completed_on'),
  ]) }}
  where kinds.is_met

),

last_spells as (

  select distinct on (community_id)
    community_id,
    ends_on,
    uscc,
    contract_id
  from spells
  order by community_id, ends_on desc

),

vacuums as (

  select
    'management_vacuum/' || communities.community_id || coalesce('/' || (last_spells.ends_on + 1), '') as alert_id,
    'management_vacuum' as kind_code,
    last_spells.uscc,
    communities.community_id,
    communities.region_code,
    last_spells.ends_on + 1 as first_on,
    case when last_spells.contract_id is null
      then jsonb_build_array(jsonb_build_object('feed', 'communities', 'ids', jsonb_build_array(communities.community_id)))
      else jsonb_build_array(jsonb_build_object('feed', 'contracts', 'ids', jsonb_build_array(last_spells.contract_id)))
    end as evidence,
    {{ business_date() }} as last_on,
    -- a silent office may have the next contract on file
    coalesce(last_spells.ends_on < coalesce(covered_contracts.complete_until, {{ business_date() }}), true) as is_told
  from communities
  left join last_spells
    on last_spells.community_id = communities.community_id
  left join covered_contracts
    on covered_contracts.region_code = communities.region_code
  where coalesce(last_spells.ends_on < {{ business_date() }}, true)
    and {{ is_reported('contracts', 'communities.region_code') }}

)

select * from of_exits
union all
select * from vacuums
