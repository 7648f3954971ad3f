{# Decimals are added exactly; only the result is brought back to money's own type. #}
{% macro total(amount) -%}
CAST(SUM({{ amount }}) AS DECIMAL(18, 4))
{%- endmacro %}

{# One division of an exact sum, rounded to four decimals; null where there is nothing. #}
{% macro mean(amount, condition=none) -%}
CAST(CAST(SUM({{ amount }}){% if condition %} FILTER (WHERE {{ condition }}){% endif %} AS DOUBLE) / NULLIF(COUNT(*){% if condition %} FILTER (WHERE {{ condition }}){% endif %}, 0) AS DECIMAL(18, 4))
{%- endmacro %}

{# Share of the rows that a condition holds for. #}
{% macro share(condition) -%}
CAST(COUNT(*) FILTER (WHERE {{ condition }}) AS DOUBLE) / COUNT(*)
{%- endmacro %}

{# Cents, half to even: exact on decimals, without a function that only one engine has. Money's own type has no room for
   a hundred times its largest amount. #}
{% macro cents(amount) -%}
{%- set hundredfold = 'CAST(' ~ amount ~ ' AS DECIMAL(38, 4)) * 100' -%}
CAST(FLOOR({{ hundredfold }}) AS BIGINT)
        + CASE
            WHEN {{ hundredfold }} - FLOOR({{ hundredfold }}) > 0.5 THEN 1
            WHEN {{ hundredfold }} - FLOOR({{ hundredfold }}) = 0.5
                AND CAST(FLOOR({{ hundredfold }}) AS BIGINT) % 2 <> 0 THEN 1
            ELSE 0
        END
{%- endmacro %}
