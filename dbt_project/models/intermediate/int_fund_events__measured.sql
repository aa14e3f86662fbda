-- P05: of the communities a firm had to keep a ledger for, how many kept common revenue on an account of its own.
-- Compliant in a quarter: a common-revenue account that serves nothing else with entries in the year up to its end, and
-- no common revenue booked on an operating account in the quarter (2026.2: nor on any that serves something else). The
-- mean of the quarters is the ratio of the sums, each quarter scaled to the same weight.
with entries as (

  select *
  from {{ ref('int_fund_entries__attributed') }}
  -- a quarter looks at the year up to its end
  where booked_on > {{ months_ago(window_months('P05') | int + 13) }}

),

accounts as (

  select * from {{ ref('int_accounts__described') }}

),

quarters as (

  select *
  from {{ ref('int_quarters__due') }}
  where {{ in_window('quarter_ends_on', window_months('P05'), counted_until('funds')) }}

),

-- an account number that carries common revenue and anything else is not kept apart
mixed_accounts as (

  select account_no
  from accounts
  where is_for_common_revenue and type_count > 1

),

own_accounts as (

  select distinct
    quarters.community_id,
    quarters.quarter_on
  from quarters
  inner join entries
    on entries.community_id = quarters.community_id
    and entries.booked_on <= quarters.quarter_ends_on
    and entries.booked_on > quarters.quarter_ends_on - interval '12 months'
  left join mixed_accounts
    on mixed_accounts.account_no = entries.account_no
  where entries.account_type_code = 'common_revenue' and mixed_accounts.account_no is null

),

revenue_elsewhere as (

  select distinct
    quarters.community_id,
    quarters.quarter_on
  from quarters
  inner join entries
    on entries.community_id = quarters.community_id
    and entries.booked_on between quarters.quarter_on and quarters.quarter_ends_on
  {% if var('counting').mixed_revenue_breaks_quarter -%}
  left join mixed_accounts
    on mixed_accounts.account_no = entries.account_no
  {% endif -%}
  where (entries.account_type_code = 'operating' and entries.purpose_code in ('advertising_income', 'parking_income'))
    {% if var('counting').mixed_revenue_breaks_quarter -%}
    or (entries.account_type_code = 'common_revenue' and mixed_accounts.account_no is not null)
    {% endif %}

),

quarter_totals as (

  select
    uscc,
    quarter_on,
    count(*) as required_count
  from quarters
  group by uscc, quarter_on

),

firm_totals as (

  select
    uscc,
    avg(required_count) as mean_required,
    count(*) as quarter_count
  from quarter_totals
  group by uscc

),

measured as (

  select
    quarters.uscc,
    quarters.community_id,
    quarters.quarter_on,
    quarters.quarter_ends_on,
    quarters.stratum_code,
    firm_totals.mean_required / quarter_totals.required_count / firm_totals.quarter_count as weight,
    own_accounts.community_id is not null and revenue_elsewhere.community_id is null as is_compliant
  from quarters
  inner join quarter_totals
    on quarter_totals.uscc = quarters.uscc and quarter_totals.quarter_on = quarters.quarter_on
  inner join firm_totals
    on firm_totals.uscc = quarters.uscc
  left join own_accounts
    on own_accounts.community_id = quarters.community_id and own_accounts.quarter_on = quarters.quarter_on
  left join revenue_elsewhere
    on revenue_elsewhere.community_id = quarters.community_id and revenue_elsewhere.quarter_on = quarters.quarter_on

)

select
  uscc,
  'P05' as indicator_code,
  {{ window_months('P05') }} as window_months,
  community_id || '/' || quarter_on as evidence_id,
  stratum_code,
  'funds' as evidence_feed,
  quarter_ends_on as event_on,
  round(is_compliant::integer * weight, 6) as numerator,
  round(weight, 6) as denominator,
  round((1 - is_compliant::integer) * weight, 6) as adverse_weight,
  'common_revenue' as summary_code
from measured
