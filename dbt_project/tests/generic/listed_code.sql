{#- Every value of a code column stands in its code list (seed codes). -#}
{% test listed_code(model, column_name, list_code) %}
select distinct checked.{{ column_name }}
from (select * from {{ model }}) as checked
left join {{ ref('codes') }} as codes
  on codes.list_code = '{{ list_code }}' and codes.code = checked.{{ column_name }}
where checked.{{ column_name }} is not null and codes.code is null
{% endtest %}
