SELECT
    org_id,
    window_start,
    window_end,
    merchant,
    transactions,
    revenue,
    average_amount,
    fraud_count,
    fraud_rate,
    customers,
    devices,
    methods
FROM ({{ transactions_by_merchant(15, slide=5) }}) AS windows
