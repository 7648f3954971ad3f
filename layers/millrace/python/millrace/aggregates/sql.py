"""The tiles of an aggregate as SQL over silver: the same states as `Fold` makes of the events, to the digit. Pure; DuckDB's dialect.

What a minute of receipt adds to a tile is cut there as a fold cuts it, so keys and values that are left out are the same ones.
Sets of distinct values and the steps of sessions come as lists, of which `states` makes what is stored.
"""

# ruff: noqa: S608  names come from compiled aggregates and are quoted

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from millrace.aggregates import funnels, measures
from millrace.aggregates.definition import EVENT_ID, TILE_SECONDS, Aggregate, Key, Measure
from millrace.aggregates.fold import OTHER, KeyValues
from millrace.contracts import conditions
from millrace.contracts.column_types import Scalar, duckdb_type
from millrace.contracts.fields import EVENT_TYPE, UNITS, Field
from millrace.core.sql import identifier, literal


@dataclass(frozen=True, slots=True)
class Source:
    """Where events of a type lie.

    Attributes:
        event_type: such as `order.created`.
        relation: SQL of a table of silver, of one tenant's rows.
        contracts: how `contract` begins in the rows that count, such as `order.created/1.`: rows that were converted from an
            older major lie in its own table, too.
        fields: of the contract, by column.
    """

    event_type: str
    relation: str
    contracts: str
    fields: Mapping[str, Field]


def tiles(aggregate: Aggregate, sources: Sequence[Source], where: str = "true") -> str:
    """A row for each tile and key: `tile`, `is_other`, the keys `key_0` …, the measures `state_0` …; see `states`.

    Args:
        aggregate: which.
        sources: every table that has events of its types.
        where: SQL on columns of silver: which rows are counted, such as the tile's day and what was received by then.
    """
    return _Tiles(aggregate).sql(sources, where)


def late(aggregate: Aggregate, sources: Sequence[Source], where: str = "true") -> str:
    """A row for each tile with events that were too late for it: `tile`, and how many, `late`."""
    counted = _Tiles(aggregate).events(sources, where)
    return f"SELECT tile, count(*) AS late FROM ({counted}) WHERE is_late GROUP BY tile ORDER BY tile"


def states(aggregate: Aggregate, row: Sequence[Any]) -> tuple[int, KeyValues, list[Any]]:
    """A row of `tiles` as a fold has it: tile, keys (`OTHER` for those that were cut), states in stored form."""
    tile, is_other, *rest = row
    keys, values = rest[: len(aggregate.keys)], rest[len(aggregate.keys) :]
    read = [_READ[one.kind](one, value) for one, value in zip(aggregate.measures, values, strict=True)]
    return int(tile), OTHER if is_other else tuple(keys), read


class _Tiles:
    def __init__(self, aggregate: Aggregate) -> None:
        self._of = aggregate
        self._keys = [f"key_{at}" for at in range(len(aggregate.keys))]

    def sql(self, sources: Sequence[Source], where: str) -> str:
        of, keys = self._of, self._keys
        part = ", ".join(["tile", "minute", *keys])
        by = next((at for at, one in enumerate(of.measures) if one.name == of.ranked_by), None)
        ranked = "count(*)" if by is None else _RANKS[of.measures[by].kind](by, of.measures[by])
        order = ", ".join(["ranked DESC", *(f"{key} IS NOT NULL, CAST({key} AS VARCHAR)" for key in keys)])
        same = " AND ".join(
            ["e.tile = p.tile", "e.minute = p.minute", *(f"e.{k} IS NOT DISTINCT FROM p.{k}" for k in keys)]
        )
        kept = ", ".join(f"CASE WHEN place <= {of.most_keys} THEN e.{key} END AS {key}" for key in keys)
        ctes = [
            f"events AS (SELECT * EXCLUDE (is_late) FROM ({self.events(sources, where)}) WHERE NOT is_late)",
            f"parts AS (SELECT {part}, row_number() OVER (PARTITION BY tile, minute ORDER BY {order}) AS place "
            f"FROM (SELECT {part}, {ranked} AS ranked FROM events GROUP BY {part}))",
            f"kept AS (SELECT e.* EXCLUDE ({', '.join(keys)}){''.join([', ', kept])}, place > {of.most_keys} AS is_other "
            f"FROM events e JOIN parts p ON {same})"
            if keys
            else "kept AS (SELECT *, false AS is_other FROM events)",
        ]
        group = ", ".join(["tile", "is_other", *keys])
        makers = {"top": self._top, "funnel": self._funnel}
        lists = {at: makers[one.kind](at, one) for at, one in enumerate(of.measures) if one.kind in makers}
        ctes += lists.values()
        columns = [
            f"{_STATES[one.kind](at, one)} AS state_{at}"
            for at, one in enumerate(of.measures)
            if at not in lists
        ]
        ctes.append(f"states AS (SELECT {', '.join([group, *columns])} FROM kept GROUP BY {group})")
        chosen = ", ".join(
            f"list_{at}.state_{at}" if at in lists else f"s.state_{at}" for at in range(len(of.measures))
        )
        joins = "".join(
            f" LEFT JOIN list_{at} ON list_{at}.tile = s.tile AND list_{at}.is_other = s.is_other"
            + "".join(f" AND list_{at}.{key} IS NOT DISTINCT FROM s.{key}" for key in keys)
            for at in lists
        )
        mine = ", ".join(f"s.{name}" for name in ("tile", "is_other", *keys))
        return f"WITH {', '.join(ctes)} SELECT {mine}, {chosen} FROM states s{joins} ORDER BY {mine}"

    def events(self, sources: Sequence[Source], where: str) -> str:
        """The events that it counts: tile, minute of receipt, keys, values, whether each measure's conditions hold."""
        return " UNION ALL ".join(self._events(source, where) for source in sources)

    def _events(self, source: Source, where: str) -> str:
        of, known = self._of, {**source.fields, EVENT_TYPE: source.fields[EVENT_TYPE]}
        late = of.lateness_seconds * 1_000_000
        columns = [
            f"CAST(floor(epoch_us(event_time) / {TILE_SECONDS * 1_000_000}) AS BIGINT) * {TILE_SECONDS} AS tile",
            "date_trunc('minute', received_at) AS minute",
            f"epoch_ms(received_at) * 1000 - epoch_us(event_time) > {late} AS is_late",
            *(f"{_column(source, key)} AS key_{at}" for at, key in enumerate(of.keys)),
        ]
        for at, one in enumerate(of.measures):
            if one.kind != "count":
                columns.append(f"{_column(source, one)} AS value_{at}")
            if one.kind in ("latest", "funnel"):
                columns.append(f"epoch_us(event_time) AS time_{at}")
            if one.kind == "latest":
                columns.append(f"{EVENT_ID} AS id_{at}")
            if one.kind == "funnel":
                columns.append(f"{_step(source, one)} AS step_{at}")
            if one.where:
                columns.append(f"{conditions.sql(one.where, known)} AS holds_{at}")
        return (
            f"SELECT {', '.join(columns)} "
            f"FROM (SELECT *, {literal(source.event_type)} AS {EVENT_TYPE} FROM {source.relation}) "
            f"WHERE starts_with(contract, {literal(source.contracts)}) AND ({where}) AND {conditions.sql(of.where, known)}"
        )

    def _top(self, at: int, one: Measure) -> str:
        """The values of a `top` by part, each part cut, added up by tile."""
        keys, most = self._keys, one.most * measures.KEPT_PER_SHOWN
        part = ", ".join(["tile", "is_other", *keys, "minute"])
        tile = ", ".join(["tile", "is_other", *keys])
        text = f"CAST(value_{at} AS VARCHAR)"
        counted = f"SELECT {part}, {text} AS value, count(*) AS number FROM kept WHERE {_holds(at, one, f'value_{at}')} GROUP BY {part}, {text}"
        ranked = f"SELECT *, row_number() OVER (PARTITION BY {part} ORDER BY number DESC, value) AS place FROM ({counted})"
        added = (
            f"SELECT {tile}, CASE WHEN place <= {most} THEN value END AS value, sum(number) AS number "
            f"FROM ({ranked}) GROUP BY {tile}, CASE WHEN place <= {most} THEN value END"
        )
        pair = "{'value': value, 'number': CAST(number AS BIGINT)}"
        return f"list_{at} AS (SELECT {tile}, list({pair} ORDER BY value) AS state_{at} FROM ({added}) GROUP BY {tile})"

    def _funnel(self, at: int, one: Measure) -> str:
        """The steps that a `funnel` keeps: of the sessions of the smallest hashes, and of one session the moments that may matter."""
        tile = ", ".join(["tile", "is_other", *self._keys])
        taken = (
            f"SELECT DISTINCT {tile}, substr(md5(CAST(value_{at} AS VARCHAR)), 1, 16) AS session, step_{at} AS step, "
            f"time_{at} AS moment FROM kept WHERE {_holds(at, one, f'value_{at}')} AND step_{at} IS NOT NULL"
        )
        same = f"PARTITION BY {tile}, session, step ORDER BY moment"
        ranked = (
            f"SELECT *, dense_rank() OVER (PARTITION BY {tile} ORDER BY session) AS place, "
            f"row_number() OVER ({same}) AS earlier, row_number() OVER ({same} DESC) AS later FROM ({taken})"
        )
        kept = f"place <= {funnels.SESSIONS + 1} AND (earlier <= {funnels.MOMENTS} OR later = 1)"
        mark = "{'session': session, 'moment': moment, 'step': step}"
        return f"list_{at} AS (SELECT {tile}, list({mark}) AS state_{at} FROM ({ranked}) WHERE {kept} GROUP BY {tile})"


def _step(source: Source, one: Measure) -> str:
    """Which step an event is, null where it is none."""
    kind = source.event_type
    return str(one.steps.index(kind)) if kind in one.steps else "CAST(NULL AS INTEGER)"


def _column(source: Source, part: Key | Measure) -> str:
    """The column of a key or measure, null where the type or the major has none."""
    name = part.of.get(source.event_type)
    if name is None or name not in source.fields:
        return f"CAST(NULL AS {duckdb_type(Scalar(part.type or 'boolean'))})"
    # A date is a text wherever it is a value.
    return f"CAST({identifier(name)} AS VARCHAR)" if part.type == "date" else identifier(name)


def _holds(at: int, one: Measure, value: str = "") -> str:
    """Whether an event is measured."""
    parts = [f"holds_{at}"] if one.where else []
    parts += [f"{value} IS NOT NULL"] if value else []
    return " AND ".join(parts) or "true"


def _filtered(call: str, at: int, one: Measure) -> str:
    return f"{call} FILTER (WHERE {_holds(at, one, f'value_{at}')})"


def _sum(at: int, one: Measure) -> str:
    value = f"value_{at}" if one.type == "decimal" else f"CAST(value_{at} AS HUGEINT)"
    return f"coalesce({_filtered(f'sum({value})', at, one)}, 0)"


def _extreme(at: int, one: Measure) -> str:
    value = f"epoch_us(value_{at})" if one.type == "timestamptz" else f"value_{at}"
    return _filtered(f"{one.kind}({value})", at, one)


def _latest(at: int, one: Measure) -> str:
    value = f"epoch_us(value_{at})" if one.type == "timestamptz" else f"value_{at}"
    return _filtered(f"max({{'at': time_{at}, 'id': id_{at}, 'value': {value}}})", at, one)


def _distribution(at: int, one: Measure) -> str:
    value = f"value_{at}" if one.type == "double" else f"CAST(value_{at} AS DECIMAL(38, 4))"
    bounds = [_bound(one, edge) for edge in one.edges]
    bins = []
    for low, high in zip([None, *bounds], [*bounds, None], strict=True):
        inside = [f"{value} >= {low}" if low else "", f"{value} < {high}" if high else ""]
        where = " AND ".join([_holds(at, one, f"value_{at}"), *filter(None, inside)])
        bins.append(f"count(*) FILTER (WHERE {where})")
    return f"[{', '.join(bins)}]"


def _bound(one: Measure, edge: float) -> str:
    if one.type == "double":
        return f"CAST({edge!r} AS DOUBLE)"
    exact = Decimal(repr(edge))
    scaled = Decimal(round(exact * UNITS)) / UNITS if one.type == "decimal" else exact
    return f"CAST('{scaled}' AS DECIMAL(38, 4))"


_STATES: Mapping[str, Callable[[int, Measure], str]] = {
    "count": lambda at, one: f"count(*) FILTER (WHERE {_holds(at, one)})",
    "sum": _sum,
    "mean": lambda at, one: f"[{_sum(at, one)}, {_filtered('count(*)', at, one)}]",
    "min": _extreme,
    "max": _extreme,
    "latest": _latest,
    "share": lambda at, one: f"[count(*) FILTER (WHERE {_holds(at, one)}), count(*)]",
    "distinct": lambda at, one: _filtered(f"list(DISTINCT CAST(value_{at} AS VARCHAR))", at, one),
    "distribution": _distribution,
}
_RANKS: Mapping[str, Callable[[int, Measure], str]] = {kind: _STATES[kind] for kind in ("count", "sum")}


def _number(one: Measure, value: Any) -> Any:
    """A number as states have it: a decimal in ten thousandths."""
    if value is None or one.type != "decimal":
        return int(value) if isinstance(value, Decimal) else value
    return int(Decimal(value) * UNITS)


def _distinct(one: Measure, value: Any) -> Any:
    return measures.of(one).cut(set(value or ()))


def _top_state(_: Measure, value: Any) -> Any:
    by = {pair["value"]: pair["number"] for pair in value or ()}
    return {"other": by.pop(None, 0), "by": by}


def _funnel_state(one: Measure, value: Any) -> bytes:
    kind = funnels.Funnel(one)
    taken = ((int(mark["session"], 16), mark["moment"], mark["step"]) for mark in value or ())
    marks = ((session, [funnels.mark(moment, step)]) for session, moment, step in taken)
    return kind.cut(kind.add_marks(kind.zero(), marks))


_READ: Mapping[str, Callable[[Measure, Any], Any]] = {
    "count": lambda _, value: int(value),
    "sum": _number,
    "mean": lambda one, value: [_number(one, value[0]), int(value[1])],
    "min": _number,
    "max": _number,
    "latest": lambda one, value: value and [value["at"], value["id"], _number(one, value["value"])],
    "share": lambda _, value: [int(number) for number in value],
    "distinct": _distinct,
    "top": _top_state,
    "distribution": lambda _, value: [int(number) for number in value],
    "funnel": _funnel_state,
}
