-- The current state of each order: as it was placed last, and as it was completed if it was.
WITH placed AS (
    SELECT
        org_id,
        order_id,
        user_id,
        event_time,
        total_amount,
        currency,
        items,
        {{ recency('order_id') }} AS recency
    FROM {{ source('silver', 'order_created_v1') }}
),

completed AS (
    SELECT
        org_id,
        order_id,
        completed_at,
        total_amount,
        currency,
        {{ recency('order_id') }} AS recency
    FROM {{ source('silver', 'order_completed_v1') }}
)

SELECT
    p.org_id,
    p.order_id,
    p.user_id,
    p.event_time AS created_at,
    c.completed_at,
    CASE WHEN c.order_id IS NULL THEN 'created' ELSE 'completed' END AS status,
    COALESCE(c.total_amount, p.total_amount) AS total_amount,
    COALESCE(c.currency, p.currency) AS currency,
    p.items
FROM placed AS p
LEFT JOIN completed AS c
    ON c.org_id = p.org_id
    AND c.order_id = p.order_id
    AND c.recency = 1
WHERE p.recency = 1
