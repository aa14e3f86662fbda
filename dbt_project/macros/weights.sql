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

{#- Time decay of a record: 1 below `full_months`, then straight down to `end_weight` at `end_months`, then 0.
    The three figures are columns of seed severity_decay. Rounded so that sums do not depend on their order. -#}
{% macro decay_weight(age_months, decay) -%}
  (case
    when {{ age_months }} < {{ decay }}.full_months then 1::numeric
    when {{ age_months }} < {{ decay }}.end_months then round((1 - (1 - {{ decay }}.end_weight)
      * ({{ age_months }} - {{ decay }}.full_months) / ({{ decay }}.end_months - {{ decay }}.full_months))::numeric, 6)
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
