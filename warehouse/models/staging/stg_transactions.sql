-- A transaction's last report of each UTC day. By day, because tables of day grain are made of one day's rows alone.
WITH ranked AS (
    SELECT
        org_id,
        event_id,
        event_time,
        received_at,
        transaction_id,
        user_id,
        amount,
        merchant,
        payment_method,
        device_id,
        location,
        "timestamp" AS charged_at,
        is_fraud,
        city,
        country,
        amount_category,
        hour,
        day_of_week,
        is_weekend,
        {{ recency_by_day('transaction_id') }} AS recency
    FROM {{ source('silver', 'transaction_created_v1') }}
)

SELECT
    org_id,
    event_id,
    event_time,
    received_at,
    transaction_id,
    user_id,
    amount,
    merchant,
    payment_method,
    device_id,
    location,
    charged_at,
    is_fraud,
    city,
    country,
    amount_category,
    hour,
    day_of_week,
    is_weekend
FROM ranked
WHERE recency = 1
