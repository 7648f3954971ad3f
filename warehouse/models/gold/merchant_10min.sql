-- By the last report of a transaction, however late it came.
SELECT
    org_id,
    window_start,
    window_end,
    merchant,
    transactions AS transaction_count,
    revenue,
    average_amount,
    fraud_count,
    fraud_rate,
    customers AS distinct_users,
    devices AS distinct_devices
FROM ({{ transactions_by_merchant(10, events=ref('stg_transactions'), late=true) }}) AS windows
