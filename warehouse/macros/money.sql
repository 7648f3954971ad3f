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

{# The mean of money to four decimals, half to even, from what `mean` makes of it, the exact sum and the number of amounts: by how
   many ten thousandths the quotient of floats is to be moved. #}
{% macro exact_mean(near, sum, number) -%}
{%- set rest = '(' ~ sum ~ ' - ' ~ near ~ ' * ' ~ number ~ ')' -%}
{%- set twice = rest ~ ' + ' ~ rest -%}
{%- set odd = 'CAST(CAST(' ~ near ~ ' AS DECIMAL(38, 4)) * 10000 AS BIGINT) % 2 <> 0' -%}
{%- set unit = 'CAST(' ~ number ~ ' AS DECIMAL(18, 0)) * CAST(\'0.0001\' AS DECIMAL(5, 4))' -%}
CAST({{ near }} + CASE
{%- for step in (3, 2, 1) %}
        WHEN {{ twice }} > {{ unit }} * {{ 2 * step - 1 }}
            OR ({{ twice }} = {{ unit }} * {{ 2 * step - 1 }} AND {{ 'NOT ' if step == 2 }}({{ odd }})) THEN CAST('0.000{{ step }}' AS DECIMAL(5, 4))
        WHEN {{ twice }} < {{ unit }} * {{ 1 - 2 * step }}
            OR ({{ twice }} = {{ unit }} * {{ 1 - 2 * step }} AND {{ 'NOT ' if step == 2 }}({{ odd }})) THEN CAST('-0.000{{ step }}' AS DECIMAL(5, 4))
{%- endfor %}
        ELSE CAST('0.0000' AS DECIMAL(5, 4))
    END AS DECIMAL(18, 4))
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
