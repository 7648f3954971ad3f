"""Card transactions that somebody brings along, as the platform's own table. Names and types only."""

from collections.abc import Callable, Mapping

from millrace.features import missing as files

# The files' columns, and what they are in marts.fct_transactions. `fraud_scenario`, which a simulation may bring along, is how
# it made a fraud: it is never read.
COLUMNS: Mapping[str, tuple[str, str, Callable[[str, str], str]]] = {
    "transaction_id": ("transaction_id", "VARCHAR", files.text),
    "timestamp": ("event_time", "TIMESTAMPTZ", files.finite),
    "customer_id": ("user_id", "BIGINT", files.number),
    "terminal_id": ("merchant", "VARCHAR", files.text),
    "amount": ("amount", "DECIMAL(18, 4)", files.number),
    "is_fraud": ("is_fraud", "BOOLEAN", files.number),
}


def columns(types: Mapping[str, str]) -> list[str]:
    """The columns of the platform's table in SQL; what a file has as NaN is null.

    Args:
        types: of the files' columns, as DuckDB writes them.
    """
    found = []
    for theirs, (ours, kind, read) in COLUMNS.items():
        value = read(theirs, types[theirs])
        # Without a zone it is UTC, whatever the connection's is.
        held = f"CAST({value} AS TIMESTAMP)" if kind == "TIMESTAMPTZ" else value
        found.append(f"CAST({held} AS {kind}) AS {ours}")
    return found


def missing(columns: list[str]) -> list[str]:
    """Which of the columns files with these columns lack."""
    return sorted(set(COLUMNS) - set(columns))
