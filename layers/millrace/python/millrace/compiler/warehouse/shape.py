"""A transform run once over tables without rows: DuckDB then says which columns it has. Used at build and in tests."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from millrace.compiler.sentences import meant
from millrace.contracts.columns import duckdb_type
from millrace.contracts.tables import LakeTable
from millrace.core.sql import identifier
from millrace.quality.checks import Check, checks_of
from millrace.quality.written import OBJECT
from millrace.warehouse.project import Staging

if TYPE_CHECKING:
    import duckdb

Shape = tuple[tuple[str, str], ...]


class Shapes:
    """An empty lake with the columns of the contracts, and every staging view over it."""

    def __init__(self, tables: Iterable[LakeTable]) -> None:
        """`tables` are all of the lake's."""
        import duckdb  # noqa: PLC0415  80 MB that reading a bundle does not need

        # Nothing has rows, and so nothing to share.
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute("SET TimeZone = 'UTC'")
        for table in tables:
            self._connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{table.layer}"')
            self._connection.execute(f'CREATE TABLE "{table.layer}"."{table.name}" ({columns_sql(table)})')
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS staging")

    def add_staging(self, view: Staging) -> None:
        """Creates a view that transforms then read.

        Raises:
            ValueError: DuckDB refuses its SQL.
        """
        self._execute(f"CREATE OR REPLACE VIEW staging.{view.name} AS {view.sql}")

    def of(self, sql: str) -> Shape:
        """Name and type of each column of a SELECT.

        Raises:
            ValueError: DuckDB refuses it.
        """
        return tuple((row[0], row[1]) for row in self._execute(f"DESCRIBE {sql}").fetchall())

    def promised(self, table: LakeTable) -> Shape:
        """Name and type of each column of a table, written as DuckDB writes them."""
        return self.of(f'SELECT * FROM "{table.layer}"."{table.name}"')  # noqa: S608  names of ours

    def uncomputable(self, table: LakeTable) -> list[str]:
        """A sentence for each check of a table that DuckDB cannot compute."""
        name = f"{identifier(table.layer)}.{identifier(table.name)}"
        checks = checks_of(table)
        try:
            self._execute(_measuring(name, checks))
        except ValueError:
            sentences = []
            for check in checks:
                try:
                    self._execute(_measuring(name, [check]))
                except ValueError as error:
                    sentences.append(f"the check {check.name} cannot be computed: {error}")
            return sentences
        return []

    def _execute(self, sql: str) -> "duckdb.DuckDBPyConnection":
        import duckdb  # noqa: PLC0415

        try:
            return self._connection.execute(sql)
        except duckdb.Error as error:
            raise ValueError(f"DuckDB refuses it: {_said(str(error))}") from error


def _said(message: str) -> str:
    """The first line, and what it may have meant, which DuckDB says on another."""
    first, *more = message.splitlines()
    name = re.search(r'"(\w+)"', first)
    near = next((re.findall(r'"(?:\w+\.)?(\w+)"', line) for line in more if "Candidate" in line), [])
    return f"{first}{meant(name[1], near, listed=True)}" if name and near else first


def _measuring(relation: str, checks: Sequence[Check]) -> str:
    parts = [part.replace(OBJECT, relation) for check in checks for part in (check.failed, check.value)]
    return f"SELECT {', '.join(['count(*)', *parts])} FROM {relation}"  # noqa: S608  names of ours


def columns_sql(table: LakeTable) -> str:
    """The columns of a table as CREATE TABLE has them."""
    return ", ".join(f'"{column.name}" {duckdb_type(column.type)}' for column in table.columns)


_REMEDIES = {"HUGEINT": ": a sum of whole numbers is written {{ total_integer('…') }} and is decimal(38,0)"}


def differences(actual: Shape, promised: Shape) -> list[str]:
    """How a transform's columns differ from those of its contract, each by name."""
    has, wanted = dict(actual), dict(promised)
    sentences = [f"{name} is in the contract, but not in the SQL" for name in wanted if name not in has]
    sentences += [f"{name} is in the SQL, but not in the contract" for name in has if name not in wanted]
    sentences += [
        f"{name} is {has[name]}, its contract says {wanted[name]}{_REMEDIES.get(has[name], '')}"
        for name in wanted
        if name in has and has[name] != wanted[name]
    ]
    if not sentences and list(has) != list(wanted):
        first = next(name for name, other in zip(has, wanted, strict=True) if name != other)
        sentences = [f"{first} stands in another place than in the contract"]
    return sentences


def by_name(tables: Iterable[LakeTable]) -> Mapping[str, LakeTable]:
    """Tables by their full names."""
    return {table.full_name: table for table in tables}
