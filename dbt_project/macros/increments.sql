{#- An incremental build works on top of the last one: variable `increment` (warehouse.builds) names the night before and
    the batches it had not read. Without it every table is made anew. Both run the same selects; the incremental one
    only adds which keys they are run for. -#}
{% macro is_increment() -%}
  {{ return(var('increment', none) is not none) }}
{%- endmacro %}

{#- Without `increment` a table that stands is always made anew: it would keep what is no longer so. -#}
{% macro should_full_refresh() -%}
  {{ return(not is_increment()) }}
{%- endmacro %}

{#- The business date of the last build. -#}
{% macro previous_business_date() -%}
  cast('{{ var("increment").previous_business_date }}' as date)
{%- endmacro %}

{#- The batches that the last build had not read, of a feed or of all, as an SQL list; one of nothing when there are none. -#}
{% macro new_batches(feed=none) -%}
  {%- set all = var('increment').batches -%}
  {%- set batches = all.get(feed, []) if feed else all.values() | sum(start=[]) -%}
  ({% for batch_id in batches or [''] %}'{{ batch_id }}'{% if not loop.last %}, {% endif %}{% endfor %})
{%- endmacro %}

{#- Whether a row of raw came in a batch of `feed` that the last build had not read; its arrival finds it by block range. -#}
{% macro is_in_new_batch(feed) -%}
  {%- set received_from = var('increment').received_from.get(feed) -%}
  {%- if received_from -%}
  batch_id in {{ new_batches(feed) }} and received_at >= cast('{{ received_from }}' as timestamptz)
  {%- else -%}
  false
  {%- endif -%}
{%- endmacro %}

{#- A table that holds one row a key, kept by deleting and inserting the keys that are touched. The primary key makes a
    second row of a key impossible, so that nights need not look for one among all rows. -#}
{% macro primary_key() -%}
  {%- if not is_incremental() -%}
  alter table {{ this }} add primary key ({{ config.get('unique_key') | join(', ') }})
  {%- endif -%}
{%- endmacro %}

{#- Before an incremental build adds its rows (pre_hook): take away those whose key is in `touched`, also where nothing
    comes in their place. What delete+insert does for keys that come again. Hooks know no ref: `touched` is a name. -#}
{% macro without_touched(touched, key=none) -%}
  {%- set key = (key or config.get('unique_key')) | join(', ') -%}
  {%- if is_incremental() -%}
  {%- set layer = api.Relation.create(database=this.database, schema='intermediate', identifier=touched) -%}
  delete from {{ this }} where ({{ key }}) in (select {{ key }} from {{ layer }})
  {%- endif -%}
{%- endmacro %}

{#- The same of accounts that a touched ledger entry lies on or lay on. -#}
{% macro without_touched_accounts() -%}
  {%- if is_incremental() -%}
  {%- set layer = api.Relation.create(
    database=this.database, schema='intermediate', identifier='int_fund_entries__touched'
  ) -%}
  delete from {{ this }} where account_no in {{ accounts_of(layer) }}
  {%- endif -%}
{%- endmacro %}

{#- Accounts that a touched ledger entry lies on or lay on, as a subquery. -#}
{% macro accounts_of(touched) -%}
  (
    select new_account_no from {{ touched }} where new_account_no is not null
    union
    select account_no from {{ touched }} where account_no is not null
  )
{%- endmacro %}

{#- ANALYZE what was made anew. A table that a night adds a few rows to keeps its statistics, which autovacuum renews. -#}
{% macro analyze_if_anew() -%}
  {%- if config.get('materialized') != 'view' and not (is_increment() and config.get('materialized') == 'incremental') -%}
  analyze {{ this }}
  {%- endif -%}
{%- endmacro %}

{#- A model of this layer as the last build left it, read before it is built again. Not a ref: the model that is read
    comes after the one that reads it. -#}
{% macro as_last_built(name) -%}
  {{ return(api.Relation.create(database=this.database, schema=this.schema, identifier=name)) }}
{%- endmacro %}

{#- The rows of a model that this build wrote, for the tests. What was written before was tested then and has not changed
    since, what it refers to can only have grown, and the primary key holds against all rows. -#}
{% macro rows_to_test(relation) -%}
  {%- set name = relation.identifier -%}
  {%- set written = {
    'int_complaints__attributed': ['complaint_id', 'int_complaints__touched'],
    'fct_complaints': ['complaint_id', 'int_complaints__touched'],
    'int_complaints__placed': ['complaint_id', 'int_complaints__touched'],
    'int_complaint_events__measured': ['evidence_id', 'int_complaints__touched', 'complaint_id'],
    'int_inspection_lines__attributed': ['inspection_id, line_code', 'int_inspections__touched'],
    'fct_inspection_lines': ['inspection_id, line_code', 'int_inspections__touched'],
    'int_fund_entries__attributed': ['entry_id', 'int_fund_entries__touched'],
    'fct_fund_entries': ['entry_id', 'int_fund_entries__touched'],
    'int_fund_payments__examined': ['entry_id', 'int_fund_payments__touched'],
    'int_account_days__reconciled': ['account_no, booked_on', 'int_account_days__touched'],
    'mart_supervision__account_days': ['account_no, booked_on', 'int_account_days__touched'],
  } -%}
  {%- set node = graph.nodes.get('model.property_credit.' ~ name, {}) if execute else {} -%}
  {%- if node and is_increment() and node.config.materialized == 'incremental' and 'latest_as_known(' in node.raw_code -%}
    (select * from {{ relation }} where batch_id in {{ new_batches() }})
  {%- elif execute and is_increment() and name in written -%}
    {%- set layer = api.Relation.create(
      database=relation.database, schema='intermediate', identifier=written[name][1]
    ) -%}
    {%- set key = written[name][0] -%}
    {%- set touched = 'select ' ~ (written[name][2] or key) ~ ' from ' ~ layer -%}
    {#- a list finds its rows by index also through a view -#}
    (select * from {{ relation }} where
      {%- if ',' in key %} ({{ key }}) in ({{ touched }}){% else %} {{ key }} = any (array({{ touched }})){% endif %})
  {%- else -%}
    {{ relation }}
  {%- endif -%}
{%- endmacro %}

{#- Generic tests read their model through this: dbt's own, of the rows to test and with the test's own `where`. -#}
{% macro get_where_subquery(relation) -%}
  {%- set rows = rows_to_test(relation) | trim -%}
  {%- set where = config.get('where', '') -%}
  {%- if rows.startswith('(') or where -%}
    {{ return('(select * from ' ~ rows ~ ' as written' ~ (' where ' ~ where if where else '') ~ ') as rows_to_test') }}
  {%- endif -%}
  {{ return(relation) }}
{%- endmacro %}
