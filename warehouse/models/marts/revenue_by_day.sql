-- Currencies are not added to each other.
SELECT
    org_id,
    CAST(event_time AS DATE) AS day,
    currency,
    COUNT(payment_id) AS payment_count,
    COUNT(DISTINCT order_id) AS order_count,
    COUNT(DISTINCT user_id) AS distinct_users,
    {{ total('amount') }} AS revenue,
    {{ cents('SUM(amount)', sum=true) }} AS revenue_cents,
    {{ mean('amount') }} AS average_amount
FROM {{ ref('stg_payments') }}
GROUP BY org_id, CAST(event_time AS DATE), currency
