-- A payment's last report of each UTC day. By day, because tables of day grain are made of one day's rows alone.
WITH ranked AS (
    SELECT
        org_id,
        event_time,
        payment_id,
        order_id,
        user_id,
        amount,
        currency,
        method,
        provider,
        captured_at,
        {{ recency_by_day('payment_id') }} AS recency
    FROM {{ source('silver', 'payment_captured_v1') }}
)

SELECT
    org_id,
    event_time,
    payment_id,
    order_id,
    user_id,
    amount,
    currency,
    method,
    provider,
    captured_at
FROM ranked
WHERE recency = 1
