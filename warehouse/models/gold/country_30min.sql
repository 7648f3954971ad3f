SELECT
    org_id,
    window_start,
    window_end,
    country,
    transactions,
    revenue,
    fraud_count,
    fraud_rate,
    customers,
    merchants
FROM ({{ transactions_by_country(30) }}) AS windows
