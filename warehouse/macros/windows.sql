{# Transactions of a tenant in windows of event time, by one of their columns. Revenue is a decimal throughout. #}
{% macro windows_by(key) -%}
{%- set seconds = var('window_minutes') * 60 -%}
WITH windowed AS (
    SELECT
        org_id,
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ seconds }}) * {{ seconds }}) AS window_start,
        {{ key }},
        transaction_id,
        amount,
        is_fraud,
        user_id,
        device_id
    FROM {{ ref('stg_transactions') }}
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ var('window_minutes') }}' MINUTE AS window_end,
    {{ key }},
    COUNT(transaction_id) AS transaction_count,
    {{ total('amount') }} AS revenue,
    {{ mean('amount') }} AS average_amount,
    COUNT(*) FILTER (WHERE is_fraud) AS fraud_count,
    {{ share('is_fraud') }} AS fraud_rate,
    COUNT(DISTINCT user_id) AS distinct_users,
    COUNT(DISTINCT device_id) AS distinct_devices
FROM windowed
GROUP BY org_id, window_start, {{ key }}
{%- endmacro %}
