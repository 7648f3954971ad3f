"""The offline store: feature values at past moments, read with DuckDB.

A row of the entity frame has the keys of its entities and a moment; it gets what was known strictly before that moment,
delays respected. Rows keep their number and order; repeated rows stay repeated.
"""

# ruff: noqa: S608  names come from compiled views and are quoted

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from millrace.core.sql import identifier
from millrace.features import evaluate, expression, point_in_time
from millrace.features.frames import Frame, moments, numbers
from millrace.features.point_in_time import Span
from millrace.features.sources import SourceTables, tenant_of
from millrace.features.views import FeatureError, FeatureGroup, FeatureViews, Reference

EVENT_TIMESTAMP = "event_timestamp"
_FRAME = "millrace_entity_frame"
_ENTITIES = "millrace_entities"
_READ = "millrace_read"


class OfflineStore:
    """Reads feature views over a DuckDB connection that has their sources as `schema.table`.

    The connection's memory limit and temporary folder hold here too: sorts and joins spill. The entity frame and the
    answer are in memory.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, views: FeatureViews) -> None:
        """The connection's sources, and the views."""
        self._connection = connection
        self._views = views

    def get_historical_features(
        self,
        entity_df: Any,
        features: Sequence[str],
        *,
        timestamp: str = EVENT_TIMESTAMP,
        known_at: str | None = None,
        full_feature_names: bool = False,
        org: str | None = None,
    ) -> Any:
        """The entity frame with a column for each feature, as it was at each row's moment.

        Args:
            entity_df: a pandas frame, a pyarrow table or a DuckDB relation; the answer is of the same kind.
            features: such as `user_features:order_count`.
            timestamp: the frame's column with the moments; those without a zone are UTC.
            known_at: the frame's column with the moments up to which sources are known, for features that were served as an
                earlier run had counted them: aggregates are read strictly before it, derived expressions still see
                `timestamp`. Without it everything before `timestamp` is known.
            full_feature_names: columns are named `user_features__order_count`.
            org: the tenant whose rows count, of sources that have an `org_id`; None where they hold one tenant's only.

        Raises:
            FeatureError: a feature is unknown, a column is missing or would be repeated, a moment is null, or no tenant is
                named where there are several.
        """
        references = self._views.references(features)
        titles = [f"{one.view}__{one.feature}" if full_feature_names else one.feature for one in references]
        entities = Frame(entity_df, self._connection, titles)
        frame = entities.table
        for column in {timestamp, known_at or timestamp}:
            if column not in frame.column_names:
                raise FeatureError(f"the entity frame has no column {column}")
        whose = tenant_of(frame, org)
        read = self._read(frame, self._views.aggregates(references), known_at or timestamp, whose)
        derived = self._derive(frame, references, read, timestamp)
        return entities.answer(derived[one] if one in derived else read[one] for one in references)

    def _read(
        self, frame: pa.Table, references: Iterable[Reference], timestamp: str, org: str | None
    ) -> dict[Reference, pa.ChunkedArray]:
        """The features of sources, in the order of the frame."""
        # By view, too: two views may have a group alike.
        wanted: dict[tuple[str, FeatureGroup], list[Reference]] = {}
        for reference in references:
            view = self._views.view(reference.view)
            group = next(
                one for one in view.groups if reference.feature in {part.name for part in one.features}
            )
            wanted.setdefault((view.name, group), []).append(reference)
        values: dict[Reference, pa.ChunkedArray] = {}
        sources = SourceTables(self._connection, (group.table for _, group in wanted), org)
        for (owner, group), requested in wanted.items():
            key = self._views.view(owner).key
            names = {reference.feature: reference for reference in requested}
            for statement in self._statements(sources, group, names, self._narrow(frame, key, timestamp)):
                answer = self._connection.execute(statement).to_arrow_table()
                order = pc.inverse_permutation(answer["row"].combine_chunks())
                defaults = {one.name: one.default for one in group.features}
                for name in answer.column_names[1:]:
                    values[names[name]] = numbers(answer[name].take(order), defaults[name])
        return values

    def _statements(
        self, sources: SourceTables, group: FeatureGroup, names: Mapping[str, Reference], narrow: pa.Table
    ) -> Iterable[str]:
        """The statements that read a group; each must run before the next is taken, while its entities are registered."""
        requested = [feature for feature in group.features if feature.name in names]
        source, kind = sources.relation(group.table), sources.kind(group.table, group.key)
        entities = f"SELECT row, {_same(narrow['key'].type, kind)} AS key, instant FROM {_FRAME}"
        self._connection.register(_FRAME, narrow)
        try:
            if latest := [one for one in requested if one.aggregate == "latest"]:
                # DuckDB does not know how large a registered frame is, and would take the quadratic join for small ones.
                self._connection.execute("SET asof_loop_join_threshold = 0")
                yield point_in_time.newest(group, latest, f"({entities})", source)
            if windows := [one for one in requested if one.aggregate != "latest"]:
                self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {_ENTITIES} AS {entities}")
                ends = pc.min_max(narrow["instant"]).as_py()
                span = Span(ends["min"] or 0, ends["max"] or 0)
                yield point_in_time.windowed(group, windows, _ENTITIES, span, source)
                self._connection.execute(f"DROP TABLE {_ENTITIES}")
        finally:
            self._connection.execute("RESET asof_loop_join_threshold")
            self._connection.unregister(_FRAME)

    @staticmethod
    def _narrow(frame: pa.Table, key: str, timestamp: str) -> pa.Table:
        """Rows, keys and moments of the frame; its other columns pass through no join."""
        if key not in frame.column_names:
            raise FeatureError(f"the entity frame has no column {key}")
        rows = pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), frame.num_rows))
        return pa.table(
            {"row": pc.subtract(rows, 1), "key": frame[key], "instant": moments(frame, timestamp)}
        )

    def _derive(
        self,
        frame: pa.Table,
        references: Sequence[Reference],
        read: Mapping[Reference, pa.ChunkedArray],
        timestamp: str,
    ) -> dict[Reference, pa.ChunkedArray]:
        """The derived features, each an expression over what was read."""
        columns: dict[str, pa.ChunkedArray] = {f"{one.view}.{one.feature}": got for one, got in read.items()}
        wanted: list[tuple[Reference, str]] = []
        for reference in references:
            view = self._views.view(reference.view)
            derived = next((one for one in view.derived if one.name == reference.feature), None)
            if derived is None:
                continue
            for name in view.request:
                if name not in frame.column_names:
                    raise FeatureError(f"the entity frame has no column {name}; {view.name} needs it")
                columns[f"{expression.REQUEST}.{name}"] = numbers(frame[name])
            wanted.append((reference, evaluate.sql(derived, identifier)))
        if not wanted:
            return {}
        columns[expression.MOMENT] = moments(frame, timestamp)
        self._connection.register(_READ, pa.table(columns))
        try:
            picked = ", ".join(f"{value} AS d{position}" for position, (_, value) in enumerate(wanted))
            # A projection of a registered table keeps its order.
            answer = self._connection.execute(f"SELECT {picked} FROM {_READ}").to_arrow_table()
        finally:
            self._connection.unregister(_READ)
        return {reference: answer[f"d{position}"] for position, (reference, _) in enumerate(wanted)}


def _same(given: pa.DataType, kind: str) -> str:
    """A key of the frame as the source writes it; a value that cannot be one matches no entity.

    A number is one entity however its type writes it, 42 and 42.0. A text is only itself: `042` is not the user 42.
    """
    if pa.types.is_dictionary(given):
        given = given.value_type
    if pa.types.is_floating(given) or pa.types.is_decimal(given):
        # NaN equals its floor, and is not a key.
        finite = "isfinite(key) AND " if pa.types.is_floating(given) else ""
        whole = f"CASE WHEN {finite}key = floor(key) THEN TRY_CAST(key AS HUGEINT) END"
        if kind != "VARCHAR":
            return f"TRY_CAST({whole} AS {kind})"
        text = f"coalesce(CAST({whole} AS VARCHAR), CAST(key AS VARCHAR))"
        return f"CASE WHEN isfinite(key) THEN {text} END" if finite else text
    cast = f"TRY_CAST(key AS {kind})"
    if kind == "VARCHAR" or pa.types.is_integer(given):
        return cast
    return f"CASE WHEN CAST({cast} AS VARCHAR) = CAST(key AS VARCHAR) THEN {cast} END"
