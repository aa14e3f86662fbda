{#- Latest version per key as known at the business date: known_on, then arrival, then batch, then row decide. -#}
{% macro latest_as_known(relation, key, columns) -%}
select distinct on ({{ key | join(', ') }})
  {%- for column in columns %}
  {{ column }},
  {%- endfor %}
  known_on,
  batch_id
from {{ relation }}
where known_on <= {{ business_date() }}
order by
  {%- for column in key %}
  {{ column }},
  {%- endfor %}
  known_on desc,
  received_at desc,
  batch_id desc,
  row_number desc
{%- endmacro %}
