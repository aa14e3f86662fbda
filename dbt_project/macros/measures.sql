{#- What a method's file says of its own indicators (variable `measures`, scoring/measure.py), counted: no SQL is written for
    one. Names of columns are looked up in the feed before they are used, values are literals. -#}

{#- A text, number or truth value as a text literal: columns are compared as text. -#}
{% macro measure_literal(value) -%}
  '{{ (value | string | lower if value is sameas true or value is sameas false else value | string) | replace("'", "''") }}'
{%- endmacro %}

{#- The conditions {column: [values]} on `rows`, all of them; true without any. -#}
{% macro measure_conditions(conditions) -%}
  {%- set clauses = [] -%}
  {%- for column, values in conditions.items() -%}
    {%- set literals = [] -%}
    {%- for value in values -%}{%- do literals.append(measure_literal(value)) -%}{%- endfor -%}
    {%- do clauses.append('coalesce(feed_rows.' ~ adapter.quote(column) ~ '::text in (' ~ literals | join(', ') ~ '), false)') -%}
  {%- endfor -%}
  {{ clauses | join(' and ') or 'true' }}
{%- endmacro %}

{#- Refuse a measure that names a feed or a column that is not there; the columns of the feed. -#}
{% macro measured_columns(code, measure) -%}
  {%- set feed = feed_relation(measure.feed) -%}
  {%- if feed is none -%}
    {{ exceptions.raise_compiler_error("indicator " ~ code ~ ": there is no feed '" ~ measure.feed ~ "' (`property-credit feeds` lists them)") }}
  {%- endif -%}
  {%- set columns = adapter.get_columns_in_relation(feed.relation) | map(attribute='name') | list -%}
  {%- set named = [measure.dated_by, measure.value, measure.per] + measure.get('where', {}).keys() | list + measure.get('that', {}).keys() | list -%}
  {%- for column in named if column and column not in columns -%}
    {{ exceptions.raise_compiler_error("indicator " ~ code ~ ": feed " ~ measure.feed ~ " has no column '" ~ column ~ "' but "
      ~ columns | join(', ')) }}
  {%- endfor -%}
  {%- if 'uscc' not in columns and 'community_id' not in columns -%}
    {{ exceptions.raise_compiler_error("indicator " ~ code ~ ": a row of feed " ~ measure.feed ~ " names neither an enterprise nor a community") }}
  {%- endif -%}
  {{ return(columns) }}
{%- endmacro %}

{#- The rows of one measure: uscc, evidence_id, event_on, community_id, numerator, denominator, adverse_weight. Kinds `spread`
    and `trend` are one row an enterprise, on the day of its newest row. -#}
{% macro measured_rows(code, measure) -%}
  {%- set columns = measured_columns(code, measure) -%}
  {%- set feed = feed_relation(measure.feed) -%}
  {%- set has_place = 'community_id' in columns -%}
  {%- set uscc = ("coalesce(feed_rows.uscc, spells.uscc)" if has_place else "feed_rows.uscc") if 'uscc' in columns else "spells.uscc" -%}
  {%- set keys = [] -%}
  {%- for column in feed.key -%}{%- do keys.append('feed_rows.' ~ adapter.quote(column) ~ '::text') -%}{%- endfor -%}
  {%- set value = 'feed_rows.' ~ adapter.quote(measure.value) ~ '::numeric' if measure.value else 'null::numeric' -%}
  (
    with chosen as (

      select
        {{ uscc }} as uscc,
        {{ keys | join(" || '/' || ") }} as evidence_id,
        feed_rows.{{ adapter.quote(measure.dated_by) }}::date as event_on,
        {{ 'feed_rows.community_id' if has_place else 'null::text' }} as community_id,
        {{ value }} as value,
        {{ 'feed_rows.' ~ adapter.quote(measure.per) ~ '::numeric' if measure.per else '1::numeric' }} as per,
        {{ measure_conditions(measure.get('that', {})) }} as is_that
      from {{ feed.relation }} as feed_rows
      {%- if has_place %}
      left join {{ ref('int_spells__resolved') }} as spells
        on spells.community_id = feed_rows.community_id
        and feed_rows.{{ adapter.quote(measure.dated_by) }}::date between spells.starts_on and spells.ends_on
      {%- endif %}
      where {{ measure_conditions(measure.get('where', {})) }}
        and {{ in_window('feed_rows.' ~ adapter.quote(measure.dated_by) ~ '::date', measure.window_months) }}

    ),

    {% if measure.kind in ('spread', 'trend') -%}
    months as (

      select
        uscc,
        date_trunc('month', event_on) as month_on,
        avg(value) as month_mean,
        max(event_on) as newest_on,
        (array_agg(evidence_id order by event_on desc, evidence_id))[1] as newest_id
      from chosen
      where uscc is not null and value is not null
      group by uscc, date_trunc('month', event_on)

    ),

    counted as (

      select
        uscc,
        (array_agg(newest_id order by month_on desc))[1] as evidence_id,
        max(newest_on) as event_on,
        null::text as community_id,
        {% if measure.kind == 'spread' -%}
        round(stddev_samp(month_mean), 6) as numerator,
        {%- else -%}
        round(regr_slope(month_mean::float8, extract(year from month_on) * 12 + extract(month from month_on))::numeric, 6)
          as numerator,
        {%- endif %}
        1::numeric as denominator
      from months
      group by uscc
      having count(*) >= {{ 2 if measure.kind == 'spread' else 3 }}

    )
    {%- else -%}
    counted as (

      select
        uscc,
        evidence_id,
        event_on,
        community_id,
        {% if measure.kind == 'count' -%}
        1::numeric as numerator,
        0::numeric as denominator
        {%- elif measure.kind == 'share' -%}
        is_that::integer::numeric as numerator,
        1::numeric as denominator
        {%- elif measure.kind == 'sum' -%}
        value as numerator,
        per as denominator
        {%- else -%}
        case
          {%- for band in measure.bands %}
          when value >= {{ band[0] }} then {{ band[1] }}
          {%- endfor %}
          else 0
        end::numeric as numerator,
        1::numeric as denominator
        {%- endif %}
      from chosen
      where uscc is not null
        {%- if measure.kind in ('sum', 'bands') %} and value is not null and per is not null{% endif %}
      {%- if measure.kind == 'count' %}
      union all
      -- nobody is without a count: who has no row has none of them
      select
        uscc,
        'all' as evidence_id,
        {{ business_date() }} as event_on,
        null::text as community_id,
        0::numeric as numerator,
        1::numeric as denominator
      from {{ ref('stg_enterprises') }}
      {%- endif %}

    )
    {%- endif %}

    select
      uscc,
      {{ measure_literal(code) }} as indicator_code,
      {{ measure.window_months }} as window_months,
      evidence_id,
      'all' as stratum_code,
      {{ measure_literal(measure.feed) }} as evidence_feed,
      event_on,
      round(numerator, 6) as numerator,
      round(denominator, 6) as denominator,
      round(greatest({{ 'numerator' if measure.less_is_better else 'denominator - numerator' }}, 0), 6) as adverse_weight,
      {{ measure_literal(measure.kind) }} as summary_code,
      community_id
    from counted
  )
{%- endmacro %}
