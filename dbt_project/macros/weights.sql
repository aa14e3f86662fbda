{#- Weight of one item of an indicator by a code column, from the grading method's variables; unknown codes weigh `otherwise`. -#}
{% macro severity_weight(indicator_code, code_column, otherwise=none) -%}
  {%- set weights = var('severity').get(indicator_code) -%}
  {%- if not weights -%}
    {{ exceptions.raise_compiler_error("variable severity has no entry for indicator " ~ indicator_code) }}
  {%- endif -%}
  (case {{ code_column }}
    {%- for code, weight in weights.items() %} when '{{ code }}' then {{ weight }}::numeric{% endfor %}
    {%- if otherwise is not none %} else {{ weights[otherwise] }}::numeric{% endif %} end)
{%- endmacro %}

{#- Time decay of a record by its tier, from the grading method's variables: 1 before `full_before` months, then
    straight to `last_weight` at `zero_from`, then 0. Rounded so that sums do not depend on their order. -#}
{% macro decay_weight(age_months, tier_column) -%}
  (case
    {%- for tier, curve in var('decay').items() %}
    when {{ tier_column }} = '{{ tier }}' and {{ age_months }} < {{ curve.full_before }} then 1::numeric
    {%- if curve.zero_from > curve.full_before %}
    when {{ tier_column }} = '{{ tier }}' and {{ age_months }} < {{ curve.zero_from }}
      then round((1 - (1 - {{ curve.last_weight }}) * ({{ age_months }} - {{ curve.full_before }})
        / {{ curve.zero_from - curve.full_before }}.0)::numeric, 6)
    {%- endif %}
    {%- endfor %}
    else 0::numeric
  end)
{%- endmacro %}

{#- Time decay of a complaint-type event: it halves every `complaint_half_life_months`. -#}
{% macro complaint_decay(age_months) -%}
  round(power(0.5::float8, ({{ age_months }})::float8 / {{ var('complaint_half_life_months') }})::numeric, 6)
{%- endmacro %}

{#- Stratum '<type>|<age band>|<lift|no_lift>' of a community on a date. A community without a year of construction
    stands in band 10_20: neither the youngest nor a band that earns a higher expectation. -#}
{% macro stratum_code(community, on_date) -%}
  ({{ community }}.community_type_code || '|' || case
      when {{ community }}.built_year is null then '10_20'
      when extract(year from {{ on_date }}) - {{ community }}.built_year < 10 then 'lt10'
      when extract(year from {{ on_date }}) - {{ community }}.built_year < 20 then '10_20'
      when extract(year from {{ on_date }}) - {{ community }}.built_year < 30 then '20_30'
      else 'ge30'
    end || '|' || case when {{ community }}.has_lift then 'lift' else 'no_lift' end)
{%- endmacro %}

{#- Share of staff in continuing training that the year asks for; outside the years given, the nearest of them. -#}
{% macro training_target() -%}
  {%- set year = business_date().split("'")[1][:4] | int -%}
  {%- set nearest = namespace(year=none) -%}
  {%- for given in var('continuing_training_targets') | map('int') | sort -%}
    {%- if nearest.year is none or given <= year -%}{%- set nearest.year = given -%}{%- endif -%}
  {%- endfor -%}
  {%- for given, target in var('continuing_training_targets').items() -%}
    {%- if given | int == nearest.year -%}{{ target }}{%- endif -%}
  {%- endfor -%}
{%- endmacro %}
