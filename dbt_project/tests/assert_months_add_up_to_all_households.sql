-- Whoever managed a community: the parts of a month add up to all its days, so exposure is neither lost nor doubled.
select
  community_id,
  month_on,
  sum(responsible_days) as responsible_days
from {{ ref('fct_community_months') }}
group by community_id, month_on
having sum(responsible_days)
  <> least((month_on + interval '1 month')::date - 1, {{ business_date() }}) - month_on + 1
