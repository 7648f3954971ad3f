"""The tables that feature views read, as relations of one tenant's rows in which values that are not finite are null."""

# ruff: noqa: S608  names come from compiled views and are quoted

from collections.abc import Iterable
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from millrace.core.sql import identifier, literal
from millrace.features.missing import FLOATS, finite
from millrace.features.point_in_time import relation
from millrace.features.views import FeatureError

ORG = "org_id"


class SourceTables:
    """The tables of a connection for one query."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, tables: Iterable[str], org: str | None) -> None:
        """Reads the tables' columns.

        Args:
            connection: that has them as `schema.table`.
            tables: their names.
            org: the tenant whose rows count; None where the tables hold one tenant's.

        Raises:
            FeatureError: no tenant is named, and there are rows of several.
        """
        self._columns = {table: _columns(connection, table) for table in dict.fromkeys(tables)}
        self._org = org
        if org is not None:
            return
        held = [
            f"(SELECT DISTINCT {ORG} FROM {relation(table)})"
            for table, columns in self._columns.items()
            if ORG in columns
        ]
        if not held:
            return
        tenants = connection.execute(f"{' UNION '.join(held)} ORDER BY 1 LIMIT 3").fetchall()
        if len(tenants) > 1:
            names = ", ".join(str(row[0]) for row in tenants[:2])
            raise FeatureError(
                f"the tables hold rows of several tenants ({names}{', …' if len(tenants) > 2 else ''}): org= names the one that counts"
            )

    def kind(self, table: str, column: str) -> str:
        """A column's type, as DuckDB writes it."""
        return self._columns[table][column]

    def relation(self, table: str) -> str:
        """SQL of the table's rows that count."""
        columns = self._columns[table]
        replaced = [
            f"{finite(identifier(name), kind)} AS {identifier(name)}"
            for name, kind in columns.items()
            if kind in FLOATS
        ]
        own = self._org is not None and ORG in columns
        if not replaced and not own:
            return relation(table)
        replace = f" REPLACE ({', '.join(replaced)})" if replaced else ""
        where = f" WHERE {ORG} = {literal(self._org)}" if own else ""
        return f"(SELECT *{replace} FROM {relation(table)}{where})"


def tenant_of(frame: pa.Table, org: str | None) -> str | None:
    """The tenant of a query: the one that is named, or the only one in the entity frame.

    Raises:
        FeatureError: the frame has rows of another.
    """
    if ORG not in frame.column_names:
        return org
    named: list[Any] = pc.unique(frame[ORG]).to_pylist()
    if len(named) > 1 or (named and org is not None and named != [org]):
        others = ", ".join(sorted(str(one) for one in named if one != org)[:3])
        raise FeatureError(f"the entity frame has rows of {others}: one tenant at a time")
    return org if org is not None or not named else named[0]


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    described = connection.sql(f"SELECT * FROM {relation(table)} LIMIT 0")
    return {name: str(kind) for name, kind in zip(described.columns, described.types, strict=True)}
