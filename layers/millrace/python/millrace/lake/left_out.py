"""Rows of people who are left out of what is read, in DuckDB: an anti-join with a table of their numbers."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from millrace.core.sql import identifier

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLE = "people_left_out"


def keep(connection: "DuckDBPyConnection", people: Collection[str]) -> None:
    """Makes the table of the numbers of those who are left out; every `condition` on this connection reads it."""
    # As one text: a list of 10,000 values takes DuckDB half a second to read.
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_TABLE} AS SELECT unnest(string_split(?, chr(10))) AS person",
        ["\n".join(sorted(people))],
    )


def condition(columns: Iterable[str], where: str = "") -> str:
    """SQL of the rows that are of none of them.

    Args:
        columns: that name persons; none where the rows are nobody's.
        where: conditions that hold besides, joined by AND; empty for none.
    """
    of_others = (
        f"COALESCE(CAST({identifier(name)} AS VARCHAR) NOT IN (SELECT person FROM temp.main.{_TABLE}), true)"  # noqa: S608
        for name in columns
    )
    return " AND ".join([*([where] if where else []), *of_others])
