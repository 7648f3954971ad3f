WITH items AS (
    SELECT
        o.org_id,
        o.order_id,
        p.position,
        o.items[p.position].product_id AS product_id,
        o.items[p.position].quantity AS quantity,
        o.items[p.position].quantity * o.items[p.position].price AS amount
    FROM {{ ref('stg_orders') }} AS o
    CROSS JOIN UNNEST(GENERATE_SERIES(1, ARRAY_LENGTH(o.items))) AS p(position)
),

-- The item that costs most; of equals the one that stands first.
ranked AS (
    SELECT
        org_id,
        order_id,
        product_id,
        ROW_NUMBER() OVER (PARTITION BY org_id, order_id ORDER BY amount DESC, position) AS place
    FROM items
),

counted AS (
    SELECT
        org_id,
        order_id,
        COUNT(product_id) AS item_count,
        {{ total_integer('quantity') }} AS unit_count
    FROM items
    GROUP BY org_id, order_id
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
    r.product_id,
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
LEFT JOIN ranked AS r
    ON r.org_id = o.org_id
    AND r.order_id = o.order_id
    AND r.place = 1
LEFT JOIN {{ ref('stg_products') }} AS d
    ON d.org_id = r.org_id
    AND d.product_id = r.product_id
LEFT JOIN counted AS c
    ON c.org_id = o.org_id
    AND c.order_id = o.order_id
