SELECT
    org_id,
    window_start,
    window_end,
    "user" AS user_key,
    transactions,
    spending,
    greatest_amount,
    merchants,
    methods,
    suspicious_rate,
    known_fraud,
    high_amount,
    crypto_payment,
    late_night
FROM ({{ transactions_by_user(60) }}) AS windows
