{# Rows whose value is beyond a bound. A null breaks none. #}
{% test in_range(model, column_name, at_least=none, at_most=none, above=none, below=none) %}
SELECT {{ column_name }}
FROM {{ model }}
WHERE FALSE
    {% if at_least is not none %}OR {{ column_name }} < {{ at_least }}{% endif %}
    {% if at_most is not none %}OR {{ column_name }} > {{ at_most }}{% endif %}
    {% if above is not none %}OR {{ column_name }} <= {{ above }}{% endif %}
    {% if below is not none %}OR {{ column_name }} >= {{ below }}{% endif %}
{% endtest %}
