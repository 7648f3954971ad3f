SELECT
    org_id,
    transaction_id,
    event_id,
    event_time,
    received_at,
    user_id,
    amount,
    merchant,
    payment_method,
    device_id,
    city,
    country,
    is_fraud
FROM {{ ref('stg_transactions') }}
