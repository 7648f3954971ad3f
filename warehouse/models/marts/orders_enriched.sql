-- What an order's list of items comes to, row by row: unnested, the items of all orders would stand in memory at once.
WITH measured AS (
    SELECT
        org_id,
        order_id,
        items,
        ARRAY_LENGTH(LIST_FILTER(items, LAMBDA i : i.product_id IS NOT NULL)) AS item_count,
        COALESCE(LIST_SUM(LIST_TRANSFORM(items, LAMBDA i : CAST(i.quantity AS DECIMAL(38, 0)))), 0) AS unit_count,
        LIST_MAX(LIST_TRANSFORM(items, LAMBDA i : COALESCE(i.quantity * i.price, -1))) AS largest
    FROM {{ ref('stg_orders') }}
),

-- The item that costs most; of equals the one that stands first.
counted AS (
    SELECT
        org_id,
        order_id,
        item_count,
        unit_count,
        LIST_FILTER(items, LAMBDA i : COALESCE(i.quantity * i.price, -1) = largest)[1].product_id AS product_id
    FROM measured
),

-- What a user has ordered so far. Currencies are not added to each other.
spent AS (
    SELECT
        org_id,
        user_id,
        currency,
        {{ total('total_amount') }} AS lifetime_value
    FROM {{ ref('stg_orders') }}
    GROUP BY org_id, user_id, currency
)

SELECT
    o.org_id,
    o.order_id AS id,
    o.created_at,
    {{ cents('o.total_amount') }} AS total_amount_cents,
    o.currency,
    o.status,
    o.completed_at,
    o.user_id,
    u.segment,
    {{ cents('s.lifetime_value', sum=true) }} AS lifetime_value_cents,
    c.product_id,
    d.category,
    d.brand,
    COALESCE(c.item_count, 0) AS item_count,
    COALESCE(c.unit_count, 0) AS unit_count,
    s.lifetime_value
FROM {{ ref('stg_orders') }} AS o
LEFT JOIN {{ ref('stg_users') }} AS u
    ON u.org_id = o.org_id
    AND u.user_id = o.user_id
LEFT JOIN spent AS s
    ON s.org_id = o.org_id
    AND s.user_id = o.user_id
    AND s.currency = o.currency
LEFT JOIN counted AS c
    ON c.org_id = o.org_id
    AND c.order_id = o.order_id
LEFT JOIN {{ ref('stg_products') }} AS d
    ON d.org_id = c.org_id
    AND d.product_id = c.product_id
