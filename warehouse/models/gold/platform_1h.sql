SELECT
    org_id,
    window_start,
    window_end,
    transactions,
    revenue,
    average_amount,
    customers,
    merchants,
    payment_methods,
    fraud_rate,
    high_value_rate
FROM ({{ transactions(60) }}) AS windows
