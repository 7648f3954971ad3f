"""Card transactions that somebody brings along, as the platform's own table. Names and types only."""

# The files' columns, and what they are in marts.fct_transactions. `fraud_scenario`, which a simulation may bring along, is how
# it made a fraud: it is never read.
COLUMNS = {
    "transaction_id": "CAST(transaction_id AS VARCHAR) AS transaction_id",
    "timestamp": "CAST(CAST(timestamp AS TIMESTAMP) AS TIMESTAMPTZ) AS event_time",
    "customer_id": "CAST(customer_id AS BIGINT) AS user_id",
    "terminal_id": "CAST(terminal_id AS VARCHAR) AS merchant",
    "amount": "CAST(amount AS DECIMAL(18, 4)) AS amount",
    "is_fraud": "CAST(is_fraud AS BOOLEAN) AS is_fraud",
}


def missing(columns: list[str]) -> list[str]:
    """Which of the columns files with these columns lack."""
    return sorted(set(COLUMNS) - set(columns))
