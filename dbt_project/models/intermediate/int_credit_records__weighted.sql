-- Public credit records with their weight tonight. A record that was repaired, revoked or overturned by an objection
-- weighs 0 from that date on; one that is not final weighs nothing yet. How long an act counts is said by its tier, the
-- indicator's window and, where the method says so, the longest time its tier is shown. is_ended says that a state is over: a listing, a judgment performed, a refusal given up;
-- an act is done and never ends.
with records as (

  select
    *,
    -- a record whose authority gave no tier is judged by what the regulations anchor, else as general
    coalesce(
      tier_code,
      case when record_type_code in ('fund_misuse', 'serious_dishonesty', 'fatal_accident') then 'serious' else 'general' end
    ) as weighing_tier_code
  from {{ ref('stg_public_credit') }}

),

-- the last day a record of an act may be shown (8.4): from its first display, by its tier. A state is shown while it lasts,
-- an award is no record that is repaired.
displayed as (

  select
    *,
    case
      when record_type_code in ('serious_dishonesty', 'judgment', 'inspection_refusal', 'commendation') then null
      else (greatest(coalesce(shown_from, decided_on), decided_on) + case weighing_tier_code
        {%- for tier, months in var('display_months').items() %}
        when '{{ tier }}' then interval '{{ months }} months'
        {%- endfor %}
      end)::date - 1
    end as shown_until
  from records

),

objections as (

  select * from {{ ref('int_objections__upheld') }} where target_type_code = 'public_credit'

),

aged as (

  select
    records.record_id,
    records.uscc,
    records.record_type_code,
    records.weighing_tier_code,
    records.community_id,
    records.decided_on,
    records.authority_name,
    records.legal_basis,
    records.decision_no,
    records.shown_from,
    records.ended_on,
    records.amount as amount_cny,
    records.accident_level_code,
    records.injured_count,
    records.served_on,
    records.hearing_or_waiver_code,
    records.exit_on,
    records.shown_until,
    round(({{ months_between('records.decided_on', business_date()) }})::numeric, 6) as age_months,
    records.is_final
      and records.decided_on <= {{ business_date() }}
      and coalesce(records.repaired_on > {{ business_date() }}, true)
      and coalesce(records.revoked_on > {{ business_date() }}, true)
      and objections.target_id is null
      and not {{ is_past_use('records') }} as is_standing,
    records.record_type_code in ('serious_dishonesty', 'judgment', 'inspection_refusal')
      and coalesce(records.ended_on <= {{ business_date() }}, false) as is_ended
  from displayed as records
  left join objections
    on objections.target_id = records.record_id

)

select
  aged.record_id,
  aged.uscc,
  aged.record_type_code,
  aged.weighing_tier_code as tier_code,
  aged.community_id,
  aged.decided_on,
  aged.authority_name,
  aged.legal_basis,
  aged.decision_no,
  aged.shown_from,
  aged.ended_on,
  aged.amount_cny,
  aged.accident_level_code,
  aged.injured_count,
  aged.served_on,
  aged.hearing_or_waiver_code,
  aged.exit_on,
  aged.shown_until,
  aged.age_months,
  aged.is_standing,
  aged.is_ended,
  case
    when aged.is_standing then {{ decay_weight('aged.age_months', 'aged.weighing_tier_code') }}
    else 0::numeric
  end as decay_weight
from aged
