-- Which enterprise a contract was with on which days: filed again under another one's code it passes on, and takes nothing
-- of the days before along.
-- depends_on: {{ ref('stg_contracts') }}
{%- if rule('changes') == 'from_their_day' %}
with {{ periods(
  source('raw', 'contracts'), 'contract_id', ['uscc'],
  begins_on='(select min(successions.effective_on) from ' ~ ref('stg_enterprise_successions') ~ ' as successions'
    ~ ' where successions.uscc = previous_uscc and successions.successor_uscc = compared.uscc)'
) }},

-- who succeeded the enterprise goes on with a contract that nobody filed again
passed_on as (

  select
    bounded.contract_id,
    bounded.uscc,
    bounded.valid_from,
    bounded.valid_to,
    bounded.is_assumed
  from bounded
  union all
  select
    bounded.contract_id,
    successions.successor_uscc,
    greatest(successions.effective_on, bounded.valid_from),
    bounded.valid_to,
    successions.is_assumed
  from bounded
  inner join {{ ref('stg_enterprise_successions') }} as successions
    on successions.uscc = bounded.uscc
  where coalesce(successions.effective_on <= bounded.valid_to, true)

),

following as (

  select
    contract_id,
    uscc,
    valid_from,
    is_assumed,
    least(
      valid_to,
      lead(valid_from) over (partition by contract_id order by valid_from nulls first) - 1
    ) as valid_to
  from passed_on

)

select
  contract_id,
  uscc,
  coalesce(valid_from, '-infinity'::date) as valid_from,
  coalesce(valid_to, 'infinity'::date) as valid_to,
  is_assumed
from following
where coalesce(valid_to >= valid_from, true)
{%- else %}
select
  contract_id,
  uscc,
  '-infinity'::date as valid_from,
  'infinity'::date as valid_to,
  false as is_assumed
from {{ ref('stg_contracts') }}
{%- endif %}
