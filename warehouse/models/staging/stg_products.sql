-- Each product as it was described last: an update carries the whole product.
WITH ranked AS (
    SELECT
        org_id,
        product_id,
        event_time,
        name,
        category,
        brand,
        price,
        currency,
        status,
        {{ recency('product_id') }} AS recency
    FROM {{ source('silver', 'product_updated_v1') }}
)

SELECT
    org_id,
    product_id,
    name,
    category,
    brand,
    price,
    currency,
    status,
    event_time AS updated_at
FROM ranked
WHERE recency = 1
