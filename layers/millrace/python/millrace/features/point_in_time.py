"""SQL that reads features as they were known at the moment of each entity row. No I/O.

`entities` is a relation of `row` (0, 1, …), `key` and `instant` (microseconds since 1970), `source` one of the rows that count. Each statement answers with `row`
and one column a feature, named as it is.
"""

# ruff: noqa: S608  names come from compiled views and are quoted

from collections.abc import Sequence
from dataclasses import dataclass

from millrace.core.sql import identifier, literal
from millrace.features import expression
from millrace.features.views import Feature, FeatureGroup

_SQL = {
    "sum": "sum({})",
    "mean": "avg({})",
    "share": "avg({})",
    "min": "min({})",
    "max": "max({})",
    "stddev": "stddev_samp({})",
}


@dataclass(frozen=True, slots=True)
class Span:
    """The first and last moment that entity rows ask for, in microseconds since 1970."""

    first_us: int
    last_us: int


def relation(table: str) -> str:
    """`silver.order_created_v1`, each part quoted."""
    return ".".join(map(identifier, table.split(".")))


def newest(group: FeatureGroup, features: Sequence[Feature], entities: str, source: str) -> str:
    """The newest known value of each feature: one ASOF join.

    A value older than the feature's window counts as none. Of rows with one key and moment the one that `newest_by`
    puts first is taken; without it any one is.
    """
    columns = sorted({str(feature.column) for feature in features})
    named = {column: f"v{position}" for position, column in enumerate(columns)}
    values = ", ".join(f"{identifier(column)} AS {alias}" for column, alias in named.items())
    at = f"epoch_us({identifier(group.timestamp)})"
    once = ""
    if group.newest_by:
        order = ", ".join(f"{identifier(column)} DESC NULLS LAST" for column in group.newest_by)
        once = f" QUALIFY row_number() OVER (PARTITION BY {identifier(group.key)}, {at} ORDER BY {order}) = 1"
    known = f"{at} + {group.delay_us}" if group.delay_us else at
    picked = ", ".join(
        f"{_newest_value(feature, named[str(feature.column)])} AS {identifier(feature.name)}"
        for feature in features
    )
    return (
        f"SELECT e.row, {picked} FROM {entities} AS e ASOF LEFT JOIN (SELECT {identifier(group.key)} AS key, "
        f"{known} AS instant, {values} FROM {source}{_where(group)}{once}) AS f "
        "ON e.key = f.key AND e.instant > f.instant"
    )


def _newest_value(feature: Feature, alias: str) -> str:
    value = f"f.{alias}"
    # Whole numbers stay whole: a double holds those up to 2⁵³.
    if feature.kind == "long":
        value = f"CAST({value} AS BIGINT)"
    elif feature.kind != "string":
        number = f"CAST({value} AS DOUBLE)"
        value = f"CASE WHEN isfinite({number}) THEN {number} END"
    if feature.window_us is not None:
        value = f"CASE WHEN e.instant - f.instant <= {feature.window_us} THEN {value} END"
    return _or_default(value, feature)


def windowed(group: FeatureGroup, features: Sequence[Feature], entities: str, span: Span, source: str) -> str:
    """Aggregates over windows: the entity rows stand among the source's, and each looks back by frames of its moment.

    Only rows that some window can reach are read. All frames share one sort by key and moment.
    """
    columns = sorted({feature.column for feature in features if feature.column})
    named = {column: f"v{position}" for position, column in enumerate(columns)}
    shares = {feature.column for feature in features if feature.aggregate == "share"}
    values = "".join(
        f", {_number(column, boolean=column in shares)} AS {alias}" for column, alias in named.items()
    )
    frames = sorted({(feature.offset_us, feature.window_us) for feature in features}, key=_frame_order)
    window = {frame: f"w{position}" for position, frame in enumerate(frames)}
    defined = ", ".join(
        f"{window[frame]} AS (PARTITION BY key ORDER BY instant RANGE BETWEEN "
        f"{_start(frame, group.delay_us)} PRECEDING AND {group.delay_us + frame[0] + 1} PRECEDING)"
        for frame in frames
    )
    picked = ", ".join(
        f"{_aggregate(feature, named, window)} AS {identifier(feature.name)}" for feature in features
    )
    at = f"epoch_us({identifier(group.timestamp)})"
    reach = [
        f"{at} < {span.last_us - group.delay_us - min(offset for offset, _ in frames)}",
        f"{identifier(group.key)} IN (SELECT key FROM {entities})",
    ]
    if all(length is not None for _, length in frames):
        longest = max(offset + (length or 0) for offset, length in frames)
        reach.append(f"{at} >= {span.first_us - group.delay_us - longest}")
    nothing = "".join(", NULL" for _ in columns)
    return (
        "SELECT row, "
        + picked
        + f" FROM (SELECT CAST(NULL AS BIGINT) AS row, {identifier(group.key)} AS key, {at} AS instant, {at} AS seen{values}"
        f" FROM {source}{_where(group, *reach)}"
        f" UNION ALL SELECT row, key, instant, NULL{nothing} FROM {entities}) AS timeline"
        f" WINDOW {defined} QUALIFY row IS NOT NULL"
    )


def _frame_order(frame: tuple[int, int | None]) -> tuple[int, int]:
    return frame[0], -1 if frame[1] is None else frame[1]


def _start(frame: tuple[int, int | None], delay_us: int) -> str:
    offset, length = frame
    return "UNBOUNDED" if length is None else str(delay_us + offset + length)


def _number(column: str, *, boolean: bool) -> str:
    """A column as a number; what is not finite is as if it were missing."""
    if boolean:
        return f"CAST({identifier(column)} AS DOUBLE)"
    number = f"CAST({identifier(column)} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def _aggregate(feature: Feature, named: dict[str, str], window: dict[tuple[int, int | None], str]) -> str:
    over = f"OVER {window[(feature.offset_us, feature.window_us)]}"
    if feature.aggregate == "count":
        return f"count(seen) {over}"
    if feature.aggregate == "since":
        value = f"(instant - max(seen) {over}) / 1e6"
    else:
        value = f"{_SQL[feature.aggregate].format(named[str(feature.column)])} {over}"
    return _or_default(value, feature)


def _or_default(value: str, feature: Feature) -> str:
    if feature.default is None:
        return value
    if isinstance(feature.default, str):
        return f"coalesce({value}, {literal(feature.default)})"
    number = int(feature.default) if feature.kind == "long" else float(feature.default)
    return f"coalesce({value}, {number!r})"


def _where(group: FeatureGroup, *conditions: str) -> str:
    wanted = list(conditions)
    if group.filter is not None:
        wanted.insert(0, expression.sql(group.filter, identifier))
    return f" WHERE {' AND '.join(wanted)}" if wanted else ""
