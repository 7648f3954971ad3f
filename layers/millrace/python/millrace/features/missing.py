"""Columns of uploaded files in SQL, with null for NaN, infinity and empty texts.

Parquet written from pandas has NaN where others have null. Cast as it is, NaN would become a merchant called `nan`, an amount
above every threshold and a label that is true.
"""

FLOATS = frozenset({"FLOAT", "DOUBLE"})
_MOMENTS = ("DATE", "TIMESTAMP")


def finite(column: str, kind: str) -> str:
    """The column in its own type.

    Args:
        column: SQL of it.
        kind: its type, as DuckDB writes it.
    """
    if kind in FLOATS or kind.startswith(_MOMENTS):
        return f"CASE WHEN isfinite({column}) THEN {column} END"
    return f"nullif({column}, '')" if kind == "VARCHAR" else column


def number(column: str, kind: str) -> str:
    """The column for a cast to a number or a boolean; other text still fails."""
    if kind != "VARCHAR":
        return finite(column, kind)
    return (
        f"CASE WHEN isfinite(coalesce(TRY_CAST({column} AS DOUBLE), 0)) THEN nullif(trim({column}), '') END"
    )


def text(column: str, kind: str) -> str:
    """The column as text; 42 and 42.0 are written alike."""
    held = finite(column, kind)
    if kind in FLOATS or kind.startswith("DECIMAL"):
        whole = f"CASE WHEN {column} = floor({column}) THEN TRY_CAST({held} AS HUGEINT) END"
        return f"coalesce(CAST({whole} AS VARCHAR), CAST({held} AS VARCHAR))"
    return f"CAST({held} AS VARCHAR)"
