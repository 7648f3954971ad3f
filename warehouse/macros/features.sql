{# Counts and means of a transaction's amount over the days up to the tenant's newest event. #}
{% macro trailing(days) -%}
{%- for length in days %}
        COUNT(*) FILTER (WHERE t.event_time > n.as_of - INTERVAL '{{ length }}' DAY) AS transaction_count_{{ length }}d,
        {{ mean('t.amount', "t.event_time > n.as_of - INTERVAL '" ~ length ~ "' DAY") }} AS mean_amount_{{ length }}d,
{%- endfor %}
{%- endmacro %}

{# The last report of each transaction, whatever day it came on. #}
{% macro last_transactions() -%}
SELECT
        org_id,
        event_time,
        CAST(user_id AS VARCHAR) AS user_id,
        amount,
        merchant,
        is_fraud,
        {{ recency('transaction_id') }} AS recency
    FROM {{ ref('fct_transactions') }}
{%- endmacro %}
