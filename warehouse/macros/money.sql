{# Decimals are added exactly. A sum of money's own type, of as many rows as a tenant may ever have, has room in this one. #}
{% macro total(amount) -%}
CAST(SUM({{ amount }}) AS DECIMAL(38, 4))
{%- endmacro %}

{# A sum of whole numbers of 64 bits, which 64 bits may not hold. Athena would add them in 64. #}
{% macro total_integer(number) -%}
SUM(CAST({{ number }} AS DECIMAL(38, 0)))
{%- endmacro %}

{# One division of an exact sum, rounded to four decimals; null where there is nothing. A mean is no larger than what it is of. #}
{% macro mean(amount, condition=none) -%}
CAST(CAST(SUM({{ amount }}){% if condition %} FILTER (WHERE {{ condition }}){% endif %} AS DOUBLE) / NULLIF(COUNT(*){% if condition %} FILTER (WHERE {{ condition }}){% endif %}, 0) AS DECIMAL(18, 4))
{%- endmacro %}

{# A sum of money by a count, rounded to four decimals; null where nothing was counted. By one it is the whole sum. #}
{% macro cost_by(money, number) -%}
CAST(CAST({{ money }} AS DOUBLE) / NULLIF({{ number }}, 0) AS DECIMAL(38, 4))
{%- endmacro %}

{# Share of the rows that a condition holds for. #}
{% macro share(condition) -%}
CAST(COUNT(*) FILTER (WHERE {{ condition }}) AS DOUBLE) / COUNT(*)
{%- endmacro %}

{# Cents, half to even: exact on decimals, without a function that only one engine has. Money's own type has no room for
   a hundred times its largest amount. A sum may be more than 64 bits hold: then there are no cents, and the column of the
   sum itself, which stands beside them, has the answer. #}
{% macro cents(amount, sum=false) -%}
{%- set hundredfold = 'CAST(' ~ amount ~ ' AS DECIMAL(38, 4)) * 100' -%}
{{ 'TRY_CAST' if sum else 'CAST' }}(FLOOR({{ hundredfold }})
        + CASE
            WHEN {{ hundredfold }} - FLOOR({{ hundredfold }}) > 0.5 THEN 1
            WHEN {{ hundredfold }} - FLOOR({{ hundredfold }}) = 0.5
                AND FLOOR({{ hundredfold }}) % 2 <> 0 THEN 1
            ELSE 0
        END AS BIGINT)
{%- endmacro %}
