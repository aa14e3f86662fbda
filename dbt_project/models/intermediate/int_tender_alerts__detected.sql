-- What calls for an alert about how managers are chosen (A 二(一)): too few bids, connected bidders, an award against the
-- scores, an agreement without approval, and a new community whose manager was never chosen by either.
with tenders as (

  select
    examined.*,
    communities.region_code
  from {{ ref('int_tenders__examined') }} as examined
  inner join {{ ref('stg_communities') }} as communities
    on communities.community_id = examined.community_id

),

related as (

  select * from {{ ref('int_bidders__related') }}

),

-- new communities, and the enterprise that manages each tonight
communities as (

  select
    periods.community_id,
    periods.region_code,
    spells.uscc,
    spells.starts_on
  from {{ ref('stg_community_periods') }} as periods
  inner join {{ ref('int_spells__resolved') }} as spells
    on spells.community_id = periods.community_id
    and {{ business_date() }} between spells.starts_on and spells.ends_on
    and spells.is_enterprise
  where {{ holds_on('periods', business_date()) }}
    and periods.built_year >= {{ threshold('new_community_from_year') }}

),

covered as (

  select * from {{ ref('int_feed_districts__covered') }} where feed = 'tenders'

),

of_awards as (

  select
    kinds.kind_code || '/' || tenders.tender_id as alert_id,
    kinds.kind_code,
    tenders.uscc,
    tenders.community_id,
    tenders.region_code,
    tenders.awarded_on as first_on,
    jsonb_build_array(jsonb_build_object('feed', 'tenders', 'ids', jsonb_build_array(tenders.tender_id))) as evidence,
    tenders.awarded_on as last_on,
    true as is_told
  from tenders
  {{ with_kinds([
    (
      'tender_too_few_bids',
      "method_code <> 'agreement' and not is_approved and valid_bid_count < " ~ threshold('tender_least_bids')
    ),
    (
      'tender_against_scores',
      "method_code <> 'agreement' and best_score is not null and coalesce(chosen_score < best_score, true)"
    ),
    ('agreement_unapproved', "method_code = 'agreement' and not is_approved"),
  ]) }}
  where tenders.is_awarded and kinds.is_met

),

related_bidders as (

  select
    'related_bidders/' || tenders.tender_id as alert_id,
    'related_bidders' as kind_code,
    tenders.uscc,
    tenders.community_id,
    tenders.region_code,
    min(related.opened_on) as first_on,
    jsonb_build_array(
      jsonb_build_object('feed', 'tenders', 'ids', jsonb_build_array(tenders.tender_id)),
      {{ evidence('related_parties', 'named.relation_id') }}
    ) as evidence,
    min(related.opened_on) as last_on,
    true as is_told
  from tenders
  inner join related
    on related.tender_id = tenders.tender_id
  cross join unnest(related.relation_ids) as named (relation_id)
  where related.opened_on <= {{ business_date() }}
  group by tenders.tender_id, tenders.uscc, tenders.community_id, tenders.region_code

),

untendered as (

  select
    'early_stage_untendered/' || communities.community_id as alert_id,
    'early_stage_untendered' as kind_code,
    communities.uscc,
    communities.community_id,
    communities.region_code,
    communities.starts_on as first_on,
    jsonb_build_array(
      jsonb_build_object('feed', 'communities', 'ids', jsonb_build_array(communities.community_id))
    ) as evidence,
    {{ business_date() }} as last_on,
    -- a silent office may have its award on file
    communities.starts_on <= coalesce(covered.complete_until, {{ business_date() }}) as is_told
  from communities
  left join tenders
    on tenders.community_id = communities.community_id and tenders.stage_code = 'early' and tenders.is_awarded
  left join covered
    on covered.region_code = communities.region_code
  where tenders.tender_id is null and {{ is_reported('tenders', 'communities.region_code') }}

),

unioned as (

  {% for part in ['of_awards', 'related_bidders', 'untendered'] -%}
  select * from {{ part }}
  {% if not loop.last %}union all{% endif %}
  {% endfor %}
)

select
  alert_id,
  kind_code,
  uscc,
  community_id,
  region_code,
  null::text as account_no,
  first_on,
  null::numeric as amount_cny,
  evidence,
  last_on,
  is_told
from unioned
