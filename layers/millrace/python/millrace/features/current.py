"""An entity's values at one moment, what time alone will make of them, and which rows that are online say otherwise.

The values are the offline store's own, so online and offline cannot differ. A row holds its values and their next changes: a
payment that leaves a window changes a count at a moment that is known when the payment enters. So a row is written when
something happened, or when more time has passed than it has changes for. Whether it is right is not assumed: each run compares what
the rows say at its moment with what the offline store says. What was written is kept as Parquet, because to compare with the
table itself would need a scan of it.
"""

# ruff: noqa: S608  names come from compiled views and are quoted

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import duckdb

from millrace.core import clock, keys
from millrace.core.sql import identifier, literal
from millrace.features import expression
from millrace.features.offline import EVENT_TIMESTAMP, OfflineStore
from millrace.features.rows import empty
from millrace.features.sources import SourceTables
from millrace.features.views import Feature, FeatureGroup, FeatureView, FeatureViews, OnlineEntity

# A row is one write unit of DynamoDB: it gets as many changes as fit.
ROW_BYTES = 1_024
# Names of a row's attributes, its sort key, its moment and its expiry.
_FIXED_BYTES = 80
# More changes than these hardly ever fit.
MOST_CHANGES = 32
# With all their moments some hundred MB.
ENTITIES_AT_ONCE = 10_000
# How long a row is kept whose values do not end by themselves, and after what time it is written again.
KEPT, RENEWED = timedelta(days=400), timedelta(days=300)
# How much longer a row is kept than it has values.
KEPT_EMPTY = timedelta(days=14)
# A sum of doubles depends on their order, and that on rows of others: this is not a change.
_SAME = 1e-12
_ANSWER = "millrace_answer"
_CURRENT, _STATE, _TOLD = "millrace_current", "millrace_state", "millrace_told"
_DUE, _POINTS, _PLANNED = "millrace_due", "millrace_points", "millrace_planned"


@dataclass(frozen=True, slots=True)
class Change:
    """An entity's new row: the JSON of each view, none where it has no values any more; and when it expires, seconds since 1970."""

    entity: str
    views: dict[str, str]
    expires_at: int


class CurrentRows:
    """The rows of an entity at a moment, on a connection that has their sources; those without any value are left out."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        entity: OnlineEntity,
        at: datetime,
        org: str,
    ) -> None:
        """Computes a tenant's.

        Raises:
            duckdb.Error: a source cannot be read.
        """
        self._connection, self._entity, self._org = connection, entity, org
        self._at = clock.epoch_micros(at)
        self._groups = [group for view in entity.views for group in view.groups]
        self._features = [feature for _, feature in entity.features]
        self._columns = [f"f{place}" for place in range(len(self._features))]
        self._sources = SourceTables(connection, (group.table for group in self._groups), org)
        # Rows hold values without defaults.
        views = FeatureViews(map(_plain, entity.views))
        self._offline = OfflineStore(connection, views)
        self._create(_DUE, "SELECT NULL::VARCHAR AS entity, 0::BIGINT AS number WHERE false")
        self._create(_CURRENT, f"SELECT entity, {self._at}::BIGINT AS moment FROM ({self._entities()})")
        self._evaluate(_CURRENT, f"NOT ({self._is_empty('v')})")
        self._create(
            _PLANNED, f"SELECT entity, moment AS written, * EXCLUDE (entity) FROM {_CURRENT} WHERE false"
        )

    @property
    def count(self) -> int:
        """How many entities have a row."""
        return self._number(f"SELECT count(*) FROM {_CURRENT}")

    def all(self) -> Iterator[Change]:
        """Every row."""
        self._create(_STATE, f"FROM {_PLANNED} WHERE false")
        self._tell()
        return self._changes(f"SELECT entity FROM {_CURRENT}")

    def changed(self, before: str) -> Iterator[Change]:
        """The rows that say otherwise online, as the state that `keep` wrote shows, those that are gone, and those that expire.

        Raises:
            duckdb.Error: the state cannot be read.
        """
        self._create(_STATE, f"FROM read_parquet({literal(before)}, hive_partitioning = false)")
        self._tell()
        differ = " OR ".join(
            _differs(
                feature, f"coalesce(c.{column}, {_sql(feature)})", f"coalesce(t.{column}, {_sql(feature)})"
            )
            for feature, column in zip(self._features, self._columns, strict=True)
        )
        expires = self._at - _micros(RENEWED)
        return self._changes(
            f"SELECT coalesce(c.entity, t.entity) AS entity FROM {_CURRENT} AS c FULL JOIN {_TOLD} AS t USING (entity) "
            f"WHERE {differ} OR (c.entity IS NOT NULL AND t.written < {expires})"
        )

    def keep(self, path: str) -> None:
        """Writes what the rows are now as Parquet, for the next run to compare with.

        Raises:
            duckdb.Error: it cannot be written.
        """
        self._connection.execute(
            f"COPY (FROM {_PLANNED} UNION ALL BY NAME SELECT s.* FROM {_STATE} AS s JOIN {_TOLD} AS t USING (entity) "
            f"WHERE s.moment >= t.moment AND NOT (t.ends AND {self._is_empty('t')}) AND s.entity NOT IN (SELECT entity FROM {_DUE})) "
            f"TO {literal(path)} (FORMAT parquet, COMPRESSION zstd)"
        )

    def close(self) -> None:
        """Drops the rows."""
        for name in (_CURRENT, _STATE, _TOLD, _DUE, _POINTS, _PLANNED):
            self._connection.execute(f"DROP TABLE IF EXISTS {name}")

    def _entities(self) -> str:
        """Every entity that a source names before the moment, as text."""
        parts = [
            f"SELECT CAST({identifier(group.key)} AS VARCHAR) AS entity FROM {self._sources.relation(group.table)} "
            f"WHERE {identifier(group.key)} IS NOT NULL AND epoch_us({identifier(group.timestamp)}) < {self._at}"
            for group in {(one.table, one.key): one for one in self._groups}.values()
        ]
        return f"SELECT DISTINCT entity FROM ({' UNION ALL '.join(parts)})"

    def _tell(self) -> None:
        """What each row that is online says at the moment, and whether it has no further change."""
        self._create(
            _TOLD,
            f"SELECT *, moment = max(moment) OVER (PARTITION BY entity) AS ends FROM {_STATE} "
            f"QUALIFY moment = max(moment) FILTER (moment <= {self._at}) OVER (PARTITION BY entity)",
        )

    def _changes(self, due: str) -> Iterator[Change]:
        """The new rows of these entities, planned some at a time."""
        self._create(_DUE, f"SELECT entity, row_number() OVER () AS number FROM ({due})")
        gone = clock.epoch(clock.from_epoch_micros(self._at) + KEPT_EMPTY)
        for entity in self._rows(f"SELECT entity FROM {_DUE} ANTI JOIN {_CURRENT} USING (entity)"):
            yield Change(entity[0], {}, gone)
        for first in range(0, self._number(f"SELECT count(*) FROM {_DUE}"), ENTITIES_AT_ONCE):
            now = (
                f"SELECT c.* FROM {_CURRENT} AS c JOIN {_DUE} AS d USING (entity) "
                f"WHERE d.number > {first} AND d.number <= {first + ENTITIES_AT_ONCE}"
            )
            self._create(_POINTS, self._moments(f"SELECT entity FROM ({now})"))
            self._evaluate(_POINTS, "true")
            self._connection.execute(f"INSERT INTO {_POINTS} BY NAME {now}")
            yield from self._planned()

    def _moments(self, entities: str) -> str:
        """The next moments at which time alone changes these entities: a source's row enters a window, or leaves it."""
        boundaries: dict[tuple[str, str, str, str | None], set[int]] = {}
        for group in self._groups:
            source = (group.table, group.key, group.timestamp, group.filter)
            boundaries.setdefault(source, set()).update(_boundaries(group))
        parts = [
            f"SELECT CAST({identifier(key)} AS VARCHAR) AS entity, epoch_us({identifier(timestamp)}) + unnest({sorted(after)}) AS moment "
            f"FROM {self._sources.relation(table)} WHERE CAST({identifier(key)} AS VARCHAR) IN ({entities})"
            f" AND epoch_us({identifier(timestamp)}) > {self._at - max(after)}"
            + ("" if where is None else f" AND {expression.sql(where, identifier)}")
            for (table, key, timestamp, where), after in sorted(boundaries.items(), key=str)
        ]
        return (
            f"SELECT entity, unnest(list_distinct(min(moment, {MOST_CHANGES}))) AS moment FROM ({' UNION ALL '.join(parts)}) "
            f"WHERE moment > {self._at} GROUP BY entity"
        )

    def _planned(self) -> Iterator[Change]:
        """The rows of the moments: an entity's values, and as many of the changes that follow as fit."""
        before = ", ".join(f"lag({column}) OVER moments AS b{column}" for column in self._columns)
        texts = ", ".join(f"{self._text(view)} AS t{place}" for place, view in enumerate(self._entity.views))
        parts = [f"t{place}" for place in range(len(self._entity.views))]
        length = " + ".join(f"strlen({part})" for part in parts)
        fixed = _FIXED_BYTES + len(keys.join(self._org, self._entity.name))
        room = ROW_BYTES - fixed - sum(len(view.name) + 1 for view in self._entity.views)
        self._create(
            _POINTS,
            f"WITH points AS (SELECT *, {before} FROM {_POINTS} WINDOW moments AS (PARTITION BY entity ORDER BY moment)), "
            f"written AS (SELECT *, {texts} FROM points) "
            f"SELECT * FROM written WHERE moment = {self._at} OR {length} > 0 QUALIFY moment = {self._at} OR "
            f"sum({length}) OVER (PARTITION BY entity ORDER BY moment) + strlen(entity) <= {room}",
        )
        columns = ", ".join(("entity", "moment", *self._columns))
        self._connection.execute(
            f"INSERT INTO {_PLANNED} BY NAME SELECT {self._at}::BIGINT AS written, {columns} FROM {_POINTS}"
        )
        whole = ", ".join(f"string_agg({part}, '' ORDER BY moment)" for part in parts)
        ends = f"max(moment) FILTER (moment = last AND {self._is_empty('p')}) + {_micros(KEPT_EMPTY)}"
        yield from (
            Change(entity, dict(zip(self._entity.digests, views, strict=True)), expires_us // 1_000_000)
            for entity, expires_us, *views in self._rows(
                f"SELECT entity, coalesce({ends}, {self._at + _micros(KEPT)}), {whole} FROM (SELECT *, max(moment) OVER "
                f"(PARTITION BY entity) AS last FROM {_POINTS}) AS p GROUP BY entity"
            )
        )

    def _text(self, view: FeatureView) -> str:
        """SQL of a view's part of a row: its values at the first moment, what has changed at a later one."""
        places = [
            (feature, column)
            for (owner, feature), column in zip(self._entity.features, self._columns, strict=True)
            if owner is view
        ]
        values = " || ',' || ".join(_json(column) for _, column in places)
        changes = " || ".join(
            f"CASE WHEN {_differs(feature, column, f'b{column}')} THEN ',{place},' || {_json(column)} ELSE '' END"
            for place, (feature, column) in enumerate(places)
        )
        return (
            f"CASE WHEN moment = {self._at} THEN '[\"{view.version}\",[' || {values} || ']]' "
            f"WHEN ({changes}) <> '' THEN chr(10) || '[' || (moment - {self._at}) || {changes} || ']' ELSE '' END"
        )

    def _evaluate(self, table: str, condition: str) -> None:
        """Replaces entities and moments by these with the values that the offline store has for them."""
        frame = self._connection.execute(
            f"SELECT entity AS {identifier(self._entity.key)}, make_timestamp(moment) AS {EVENT_TIMESTAMP} FROM {table}"
        ).to_arrow_table()
        answer = self._offline.get_historical_features(
            frame,
            [f"{view.name}:{feature.name}" for view, feature in self._entity.features],
            full_feature_names=True,
            org=self._org,
        )
        moment = f"epoch_us({EVENT_TIMESTAMP})"
        picked = ", ".join(
            f"{_value(feature, moment, identifier(f'{view.name}__{feature.name}'))} AS {column}"
            for (view, feature), column in zip(self._entity.features, self._columns, strict=True)
        )
        self._connection.register(_ANSWER, answer)
        try:
            self._create(
                table,
                f"SELECT v.* FROM (SELECT {identifier(self._entity.key)} AS entity, {moment} AS moment, {picked} FROM {_ANSWER}) AS v "
                f"WHERE {condition}",
            )
        finally:
            self._connection.unregister(_ANSWER)

    def _is_empty(self, alias: str) -> str:
        return " AND ".join(
            f"{alias}.{column} IS NOT DISTINCT FROM {_sql(feature)}"
            for feature, column in zip(self._features, self._columns, strict=True)
        )

    def _create(self, table: str, query: str) -> None:
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}")

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    def _number(self, query: str) -> int:
        return int(self._rows(query)[0][0])


def _plain(view: FeatureView) -> FeatureView:
    """The view without defaults: what has no value is null."""
    groups = tuple(
        replace(group, features=tuple(replace(one, default=None) for one in group.features))
        for group in view.groups
    )
    return replace(view, groups=groups)


def _boundaries(group: FeatureGroup) -> Iterator[int]:
    """How long after a row's moment some feature of the group changes: its window takes the row in, or lets it go."""
    for feature in group.features:
        known = group.delay_us + feature.offset_us + 1
        yield known
        if feature.window_us is not None:
            yield known + feature.window_us


def _value(feature: Feature, moment: str, column: str) -> str:
    """A value as it is stored. Seconds since something grow by themselves: its moment does not."""
    if feature.aggregate == "since":
        return f"{moment} - CAST(round({column} * 1e6) AS BIGINT)"
    return column


def _differs(feature: Feature, one: str, other: str) -> str:
    differ = f"{one} IS DISTINCT FROM {other}"
    if feature.kind != "double" or feature.aggregate == "since":
        return differ
    return (
        f"({differ} AND coalesce(abs({one} - {other}) > {_SAME} * greatest(abs({one}), abs({other})), true))"
    )


def _json(column: str) -> str:
    return f"coalesce(CAST(to_json({column}) AS VARCHAR), 'null')"


def _sql(feature: Feature) -> str:
    value = empty(feature)
    return "NULL" if value is None else str(value)


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
