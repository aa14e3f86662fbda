-- What calls for an alert tonight. Supervision takes it into its register: raises what is new, closes what is gone.
-- What ran out on a day that its office has not told of stands as it stood and is not raised: it may have been met.
{% set may_be_untold = ['exit', 'vote', 'quarter', 'tender', 'dispute', 'collection'] %}
with kinds as (

  select * from {{ ref('alert_kinds') }}

),

communities as (

  select * from {{ ref('dim_community') }}

),

detected as (

  select
    alert_id, kind_code, uscc, community_id, region_code, null::text as account_no, first_on,
    null::numeric as amount_cny, evidence, last_on, is_told
  from {{ ref('int_exit_alerts__detected') }}
  {% for part in ['ledger', 'vote', 'payment', 'quarter', 'entity', 'tender', 'dispute', 'collection', 'contract'] -%}
  union all
  select
    alert_id, kind_code, uscc, community_id, region_code, account_no, first_on, amount_cny, evidence, last_on,
    {{ 'is_told' if part in may_be_untold else 'true' }}
  from {{ ref('int_' ~ part ~ '_alerts__detected') }}
  {% endfor %}
)

select
  detected.alert_id,
  detected.kind_code,
  kinds.label_zh,
  kinds.label_en,
  kinds.severity_code,
  kinds.level_code,
  kinds.decide_within_days,
  detected.uscc,
  detected.community_id,
  communities.community_name,
  detected.region_code,
  detected.account_no,
  detected.first_on,
  detected.amount_cny::numeric(18, 2) as amount_cny,
  detected.evidence,
  {{ is_raisable('detected.last_on') }} and detected.is_told as is_raisable
from detected
left join kinds
  on kinds.kind_code = detected.kind_code
left join communities
  on communities.community_id = detected.community_id
