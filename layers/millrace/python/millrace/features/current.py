"""A view's values of every entity at one moment, and which of them changed: computed, compared and stored by DuckDB.

The values are the offline store's own, so online and offline cannot differ. The state that was written is kept as Parquet: to
compare with the table itself would need a scan of it.
"""

# ruff: noqa: S608  names come from compiled views and are quoted

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from millrace.core import clock
from millrace.core.sql import identifier, literal
from millrace.features.offline import EVENT_TIMESTAMP, OfflineStore
from millrace.features.rows import Value, defaults, since
from millrace.features.sources import SourceTables
from millrace.features.views import FeatureView, FeatureViews

ROWS_PER_BATCH = 10_000
_ANSWER, _CURRENT, _BEFORE = "millrace_answer", "millrace_current", "millrace_before"
_ENTITY = "entity"


@dataclass(frozen=True, slots=True)
class Change:
    """An entity's new row; None where it has no values any more."""

    entity: str
    values: dict[str, Value] | None


class CurrentRows:
    """The rows of a view at a moment, on a connection that has its sources; rows of only defaults are left out."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        views: FeatureViews,
        view: FeatureView,
        at: datetime,
        org: str,
    ) -> None:
        """Computes a tenant's.

        Raises:
            duckdb.Error: a source cannot be read.
        """
        self._connection, self._view, self._at = connection, view, clock.epoch_micros(at)
        self._sources = SourceTables(connection, (group.table for group in view.groups), org)
        entities = connection.execute(self._entities()).to_arrow_table()
        moments = pa.repeat(pa.scalar(at, pa.timestamp("us", tz="UTC")), entities.num_rows)
        answer = OfflineStore(connection, views).get_historical_features(
            entities.append_column(EVENT_TIMESTAMP, moments),
            [f"{view.name}:{name}" for name in view.features],
            full_feature_names=True,
            org=org,
        )
        picked = ", ".join(
            f"{identifier(f'{view.name}__{name}')} AS {identifier(name)}" for name in view.features
        )
        known = " OR ".join(
            f"{identifier(name)} IS DISTINCT FROM {_literal(value)}" for name, value in defaults(view).items()
        )
        connection.register(_ANSWER, answer)
        try:
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {_CURRENT} AS SELECT * FROM (SELECT {identifier(view.key)} AS {_ENTITY}, "
                f"{picked} FROM {_ANSWER}) WHERE {known}"
            )
        finally:
            connection.unregister(_ANSWER)

    @property
    def count(self) -> int:
        """How many entities have a row."""
        row = self._connection.execute(f"SELECT count(*) FROM {_CURRENT}").fetchone()
        return int(row[0]) if row else 0

    def all(self) -> Iterator[Change]:
        """Every row."""
        return self._changes(f"SELECT {_ENTITY}, true, {self._columns()} FROM {_CURRENT} AS c")

    def changed(self, before: str) -> Iterator[Change]:
        """The rows that differ from the state that `keep` wrote, and those that are gone.

        Raises:
            duckdb.Error: the state cannot be read.
        """
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_BEFORE} AS SELECT {_ENTITY}, {self._names()} "
            f"FROM read_parquet({literal(before)}, hive_partitioning = false)"
        )
        other = " OR ".join(
            f"{kept} IS DISTINCT FROM b.{identifier(name)}" for name, kept in self._kept("c").items()
        )
        return self._changes(
            f"SELECT c.{_ENTITY}, true, {self._columns()} FROM {_CURRENT} AS c LEFT JOIN {_BEFORE} AS b USING ({_ENTITY}) "
            f"WHERE b.{_ENTITY} IS NULL OR {other} UNION ALL "
            f"SELECT b.{_ENTITY}, false, {', '.join('NULL' for _ in self._view.features)} FROM {_BEFORE} AS b "
            f"ANTI JOIN {_CURRENT} AS c USING ({_ENTITY})"
        )

    def keep(self, path: str) -> None:
        """Writes the rows as Parquet, for the next run to compare with.

        Raises:
            duckdb.Error: it cannot be written.
        """
        kept = ", ".join(f"{value} AS {identifier(name)}" for name, value in self._kept("c").items())
        self._connection.execute(
            f"COPY (SELECT {_ENTITY}, {kept} FROM {_CURRENT} AS c) TO {literal(path)} (FORMAT parquet, COMPRESSION zstd)"
        )

    def close(self) -> None:
        """Drops the rows."""
        for name in (_CURRENT, _BEFORE):
            self._connection.execute(f"DROP TABLE IF EXISTS {name}")

    def _entities(self) -> str:
        """Every entity that a source names before the moment, as text."""
        parts = [
            f"SELECT CAST({identifier(group.key)} AS VARCHAR) AS {identifier(self._view.key)} "
            f"FROM {self._sources.relation(group.table)} WHERE {identifier(group.key)} IS NOT NULL AND epoch_us({identifier(group.timestamp)}) < {self._at}"
            for group in {(one.table, one.key): one for one in self._view.groups}.values()
        ]
        # A UNION has each entity once.
        return " UNION ".join([*parts, f"SELECT NULL::VARCHAR AS {identifier(self._view.key)} WHERE false"])

    def _changes(self, statement: str) -> Iterator[Change]:
        names = self._view.features
        rows = self._connection.execute(statement)
        while batch := rows.fetchmany(ROWS_PER_BATCH):
            for entity, known, *values in batch:
                yield Change(entity, dict(zip(names, values, strict=True)) if known else None)

    def _columns(self) -> str:
        return ", ".join(f"c.{identifier(name)}" for name in self._view.features)

    def _names(self) -> str:
        return ", ".join(map(identifier, self._view.features))

    def _kept(self, alias: str) -> dict[str, str]:
        """The values that decide whether a row changed. Seconds since something grow by themselves: its moment is compared."""
        values = {name: f"{alias}.{identifier(name)}" for name in self._view.features}
        for name in since(self._view):
            values[name] = f"{self._at} - CAST(round({values[name]} * 1e6) AS BIGINT)"
        return values


def _literal(value: Value) -> str:
    if isinstance(value, str):
        return literal(value)
    return "NULL" if value is None else repr(float(value))
