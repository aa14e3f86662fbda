-- Public credit records that stand tonight and have a tier: what an enterprise could have repaired, and from when.
-- One that has been shown for as long as its tier allows is neither shown nor advised about.
with records as (

  select * from {{ ref('int_credit_records__weighted') }}
  where is_standing and not is_ended and record_type_code <> 'commendation'
    {%- if rule('record_display') == 'to_its_longest' %}
    and coalesce(shown_until >= {{ business_date() }}, true)
    {%- endif %}

),

enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

)

select
  records.uscc,
  records.record_id,
  records.record_type_code,
  records.tier_code,
  records.decided_on,
  greatest(coalesce(records.shown_from, records.decided_on), records.decided_on) as shown_on,
  records.shown_until
from records
inner join enterprises
  on enterprises.uscc = records.uscc
