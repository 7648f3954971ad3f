WITH transactions AS (
    {{ last_transactions() }}
),

newest AS (
    SELECT
        org_id,
        MAX(event_time) AS as_of
    FROM (
        SELECT
            org_id,
            event_time
        FROM transactions
        UNION ALL
        SELECT
            org_id,
            created_at AS event_time
        FROM {{ ref('stg_orders') }}
    ) AS events
    GROUP BY org_id
),

users AS (
    SELECT
        org_id,
        user_id
    FROM transactions
    UNION
    SELECT
        org_id,
        user_id
    FROM {{ ref('stg_orders') }}
),

paid AS (
    SELECT
        t.org_id,
        t.user_id,
        {{- trailing([1, 7, 30]) }}
        MAX(t.event_time) AS last_transaction_at
    FROM transactions AS t
    INNER JOIN newest AS n
        ON n.org_id = t.org_id
    WHERE t.recency = 1
    GROUP BY t.org_id, t.user_id
),

-- Currencies are not added to each other: a user's value is in the currency of most orders.
spent AS (
    SELECT
        org_id,
        user_id,
        currency,
        COUNT(order_id) AS order_count,
        {{ total('total_amount') }} AS lifetime_value
    FROM {{ ref('stg_orders') }}
    GROUP BY org_id, user_id, currency
),

ordered AS (
    SELECT
        org_id,
        user_id,
        currency,
        lifetime_value,
        SUM(order_count) OVER (PARTITION BY org_id, user_id) AS order_count,
        ROW_NUMBER() OVER (PARTITION BY org_id, user_id ORDER BY order_count DESC, currency ASC) AS place
    FROM spent
)

SELECT
    u.org_id,
    u.user_id,
    n.as_of,
    COALESCE(o.lifetime_value, 0) AS lifetime_value,
    o.currency AS lifetime_currency,
    CAST(COALESCE(o.order_count, 0) AS BIGINT) AS order_count,
    COALESCE(p.transaction_count_1d, 0) AS transaction_count_1d,
    COALESCE(p.transaction_count_7d, 0) AS transaction_count_7d,
    COALESCE(p.transaction_count_30d, 0) AS transaction_count_30d,
    p.mean_amount_1d,
    p.mean_amount_7d,
    p.mean_amount_30d,
    p.last_transaction_at
FROM users AS u
INNER JOIN newest AS n
    ON n.org_id = u.org_id
LEFT JOIN ordered AS o
    ON o.org_id = u.org_id
    AND o.user_id = u.user_id
    AND o.place = 1
LEFT JOIN paid AS p
    ON p.org_id = u.org_id
    AND p.user_id = u.user_id
