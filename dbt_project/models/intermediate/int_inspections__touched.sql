-- depends_on: {{ ref('int_attributions__touched') }}
-- depends_on: {{ ref('int_objections__upheld') }}
-- depends_on: {{ ref('stg_enterprises') }}
-- depends_on: {{ ref('stg_inspections') }}
-- Inspection lines that differ from those of the last build, or may: a new version, another attribution of their
-- day, an enterprise that is known otherwise, an objection upheld since, an order that fell due. Empty in a full build.
{%- if is_increment() %}
with changed as (

  select * from {{ ref('stg_inspections') }} where batch_id in {{ new_batches('inspections') }}

),

enterprises as (

  select * from {{ ref('stg_enterprises') }} where batch_id in {{ new_batches('enterprises') }}

),

before as not materialized (

  select * from {{ as_last_built('int_inspection_lines__attributed') }}

),

attributions as (

  select * from {{ ref('int_attributions__touched') }}

),

overturned as (

  (
    select target_id from {{ ref('int_objections__upheld') }} where target_type_code = 'inspection'
    except
    select target_id from {{ as_last_built('int_objections__remembered') }} where target_type_code = 'inspection'
  )
  union
  (
    select target_id from {{ as_last_built('int_objections__remembered') }} where target_type_code = 'inspection'
    except
    select target_id from {{ ref('int_objections__upheld') }} where target_type_code = 'inspection'
  )

),

keys as (

  select inspection_id, line_code from changed
  union
  select before.inspection_id, before.line_code
  from before
  inner join attributions
    on attributions.community_id = before.community_id
    and before.inspected_on between attributions.from_on and attributions.until_on
  union
  select before.inspection_id, before.line_code
  from before
  inner join enterprises
    on enterprises.uscc = before.uscc
  union
  select before.inspection_id, before.line_code
  from before
  inner join overturned
    on before.inspection_id = split_part(overturned.target_id, '/', 1)
  union
  select inspection_id, line_code from before where inspected_on > {{ previous_business_date() }}
  union
  -- overdue from the day after the due day on
  select inspection_id, line_code
  from before
  where order_due_on >= {{ previous_business_date() }} and order_due_on < {{ business_date() }}

)

select
  lines.inspection_id,
  lines.line_code,
  -- as the last build had it
  before.inspected_on
from keys
inner join {{ ref('stg_inspections') }} as lines
  on lines.inspection_id = keys.inspection_id and lines.line_code = keys.line_code
left join before
  on before.inspection_id = keys.inspection_id and before.line_code = keys.line_code
{%- else %}
select
  inspection_id,
  line_code,
  inspected_on
from {{ ref('stg_inspections') }}
where false
{%- endif %}
