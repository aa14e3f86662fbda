-- What a confirmed alert adds to P04: as much as a breach of procedure of general tier, whatever its kind, from the day it
-- was confirmed. Misuse (10 points and V2) is for the authority's final decision in public_credit alone; a case that has
-- such a record counts as the record and no longer as the alert. Open, explained and closed alerts count nothing.
with decisions as (

  select * from {{ ref('stg_alert_decisions') }} where state_code = 'confirmed' and uscc is not null

),

kinds as (

  select * from {{ ref('alert_kinds') }} where indicator_code = 'P04'

),

records as (

  select * from {{ ref('stg_public_credit') }}

),

aged as (

  select
    decisions.alert_id,
    decisions.uscc,
    decisions.kind_code,
    decisions.decided_on,
    'fund_procedure' as record_type_code,
    'general' as tier_code,
    round(({{ months_between('decisions.decided_on', business_date()) }})::numeric, 6) as age_months
  from decisions
  inner join kinds
    on kinds.kind_code = decisions.kind_code
  left join records
    on records.record_id = decisions.record_id
  where records.record_id is null and {{ in_window('decisions.decided_on', window_months('P04')) }}

),

weighted as (

  select
    *,
    {{ severity_weight('P04', 'record_type_code') }} * {{ decay_weight('age_months', 'tier_code') }} as weight
  from aged

)

select
  uscc,
  'P04' as indicator_code,
  {{ window_months('P04') }} as window_months,
  alert_id as evidence_id,
  'all' as stratum_code,
  'alerts' as evidence_feed,
  decided_on as event_on,
  round(weight, 6) as numerator,
  round(1::numeric, 6) as denominator,
  round(weight, 6) as adverse_weight,
  kind_code as summary_code
from weighted
