-- The Chinese words for the codes on the pages.
with codes as (

  select * from {{ ref('codes') }}

),

alert_kinds as (

  select * from {{ ref('alert_kinds') }}

)

select
  list_code,
  code,
  label_zh
from codes
where list_code in ('category', 'responsible_party', 'tier', 'record_type', 'target_type', 'contacts_post', 'community_type')
union all
select
  'alert_kind' as list_code,
  kind_code as code,
  label_zh
from alert_kinds
