{# Rows of a tenant (and UTC day) that say again what another says in these columns. Nulls are like no other. #}
{% test unique_within(model, columns, day=none) %}
SELECT org_id, {{ columns | join(', ') }}
FROM {{ model }}
WHERE {% for column in columns %}{{ column }} IS NOT NULL{% if not loop.last %} AND {% endif %}{% endfor %}
GROUP BY org_id, {{ columns | join(', ') }}{% if day is not none %}, CAST({{ day }} AS DATE){% endif %}
HAVING COUNT(*) > 1
{% endtest %}
