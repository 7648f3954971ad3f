WITH transactions AS (
    {{ last_transactions() }}
),

newest AS (
    SELECT
        org_id,
        MAX(event_time) AS as_of
    FROM transactions
    GROUP BY org_id
),

paid AS (
    SELECT
        t.org_id,
        t.merchant,
        n.as_of,
        {{- trailing([1, 7, 30]) }}
        {{ share('t.is_fraud') }} AS fraud_rate,
        COUNT(DISTINCT t.user_id) AS distinct_users,
        MAX(t.event_time) AS last_transaction_at
    FROM transactions AS t
    INNER JOIN newest AS n
        ON n.org_id = t.org_id
    WHERE t.recency = 1 AND t.merchant IS NOT NULL
    GROUP BY t.org_id, t.merchant, n.as_of
)

SELECT
    org_id,
    merchant,
    as_of,
    transaction_count_1d,
    transaction_count_7d,
    transaction_count_30d,
    mean_amount_1d,
    mean_amount_7d,
    mean_amount_30d,
    fraud_rate,
    distinct_users,
    last_transaction_at
FROM paid
