"""Aggregates as macros of the dbt project: windows of an aggregate, its measures as columns, in SQL that every engine reads.

`{{ transactions_by_merchant(15, slide=5) }}` is a SELECT of `org_id`, `window_start`, `window_end`, the keys and the measures,
from silver. All keys are there, and distinct values are counted exactly: the answers of the API keep the greatest keys, and
estimate beyond 512 values. A `distribution` is a column for each bin, `<name>_0` …; a `funnel` one for each step, `<name>_1` …,
the sessions that took it in order; a `top` has no column.

A table of day grain is made of a day's rows, so windows of a day at most are left out that reach into the next UTC day.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from millrace.aggregates import derived
from millrace.aggregates.decay import WEIGHT
from millrace.aggregates.definition import EVENT_ID, TILE_SECONDS, Aggregate, Key, Measure
from millrace.compiler.aggregates import FOLDER, compile_aggregates
from millrace.contracts import conditions
from millrace.contracts.column_types import Scalar, duckdb_type
from millrace.contracts.columns import table
from millrace.contracts.conditions import Condition
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractProblem
from millrace.contracts.fields import EVENT_TYPE, Field, fields
from millrace.core.sql import identifier, literal

_JINJA = re.compile(r"\{[{%#]")
FILE = "macros/aggregates.sql"
_HEAD = "{# Generated from schemas/aggregates: edit those, then run millrace contracts build. #}\n"


def problems(schemas_dir: Path, contracts: Sequence[Contract], project: Path) -> Iterator[ContractProblem]:
    """Whether the project has the macros of the aggregates as they are."""
    path, wanted = project / FILE, of(schemas_dir, contracts)
    if wanted and (path.read_text(encoding="utf-8") if path.exists() else "") != wanted:
        sentence = f"{project.name}/{FILE} is not of these aggregates: run millrace contracts build"
        yield ContractProblem(FOLDER, "", sentence)


def of(schemas_dir: Path, contracts: Sequence[Contract]) -> str:
    """The file of macros of a folder's aggregates; empty where it has none.

    Raises:
        ContractError: an aggregate does not compile.
    """
    compiled = [Aggregate.from_json(one) for one in compile_aggregates(schemas_dir, contracts)]
    return text(compiled, contracts) if compiled else ""


def text(aggregates: Iterable[Aggregate], contracts: Iterable[Contract]) -> str:
    """The file of macros."""
    by_type: dict[str, list[Contract]] = {}
    for one in sorted(contracts, key=lambda one: one.major):
        by_type.setdefault(one.event_type, []).append(one)
    return _HEAD + "\n".join(_Macro(one, by_type).text() for one in aggregates)


class _Macro:
    def __init__(self, aggregate: Aggregate, contracts: Mapping[str, list[Contract]]) -> None:
        self._of = aggregate
        self._sources = [one for name in aggregate.events for one in contracts[name]]
        self._majors = {name: len(contracts[name]) for name in aggregate.events}
        self._values = {
            at: f"value_{at}" for at, one in enumerate(aggregate.measures) if one.of and one.kind != "top"
        }
        self._holds = {
            at: f"holds_{at}" for at, one in enumerate(aggregate.measures) if one.where and one.kind != "top"
        }
        self._places = {
            at: f"place_{at}" for at, one in enumerate(aggregate.measures) if one.kind == "latest"
        }
        self._weights = {
            at: f"weight_{at}"
            for at, one in enumerate(aggregate.measures)
            if one.half_life_seconds and one.kind != "top"
        }
        self._funnels = {at: one for at, one in enumerate(aggregate.measures) if one.kind == "funnel"}
        self._keys = [identifier(key.name) for key in aggregate.keys]

    def text(self) -> str:
        of = self._of
        single = len(self._sources) == 1
        # One type's events may come from a relation that is not silver's.
        arguments = (
            "minutes, slide=none, events=none, late=false" if single else "minutes, slide=none, late=false"
        )
        steps = [f"step_{at}" for at in self._funnels]
        carried = ["org_id", *self._keys, *self._values.values(), *self._holds.values(), *steps]
        moments = ["event_time"] if self._places or self._funnels else []
        moments += [EVENT_ID] if self._places else []
        lines = [
            f"{{% macro {of.name}({arguments}) -%}}",
            "WITH counted AS (",
            "\n    UNION ALL\n".join(self._counted(source) for source in self._sources),
            "), windowed AS (",
            "    {%- for step in range(0, minutes, slide or minutes) %}",
            "    {% if not loop.first %}UNION ALL {% endif %}SELECT",
            *(f"        {name}," for name in (*carried, *moments)),
            *(f"        {_weight(of.measures[at])} AS {name}," for at, name in self._weights.items()),
            "        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}",
            "            - {{ step * 60 }}) AS window_start",
            "    FROM counted",
            "    {%- endfor %}",
            *self._placed(
                [*carried, *self._weights.values(), *(moments[:1] if self._funnels else []), "window_start"]
            ),
            *self._taken(
                [*carried, *self._weights.values(), *self._places.values(), "event_time", "window_start"]
            ),
            "), measured AS (",
            "    SELECT",
            *(f"        {name}," for name in ("org_id", "window_start", *self._keys)),
            ",\n".join(f"        {column} AS {name}" for name, column in self._measured()),
            f"    FROM {self._relations()[-1]}",
            # In numbers: a cast to a date asks the calendar for each row. Windows that part a day need none of it.
            "    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}",
            "    WHERE FLOOR(EPOCH(window_start) / 86400)",
            "        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)",
            "    {%- endif %}",
            f"    GROUP BY {', '.join(['org_id', 'window_start', *self._keys])}",
            ")",
            "",
            "SELECT",
            "    org_id,",
            "    window_start,",
            "    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,",
            *(f"    {name}," for name in self._keys),
            ",\n".join(f"    {column}" for column in (*self._columns(), *self._derived())),
            "FROM measured",
            "{%- endmacro %}",
            "",
        ]
        return "\n".join(lines)

    def _counted(self, contract: Contract) -> str:
        of, event_type = self._of, contract.event_type
        known = fields(contract)
        columns = [f"{_column(key, event_type, known)} AS {identifier(key.name)}" for key in of.keys]
        for at, one in enumerate(of.measures):
            if at in self._values:
                columns.append(f"{_column(one, event_type, known)} AS value_{at}")
            if at in self._holds:
                columns.append(f"{_condition(one.where, event_type, known)} AS holds_{at}")
            if at in self._funnels:
                step = one.steps.index(event_type) + 1 if event_type in one.steps else 0
                columns.append(f"{step} AS step_{at}")
        source = f"{{{{ source('silver', '{table(contract)}') }}}}"
        if len(self._sources) == 1:
            source = f"{{{{ events or source('silver', '{table(contract)}') }}}}"
        where = [_condition(of.where, event_type, known)] if of.where else []
        if self._majors[event_type] > 1:
            # Rows that were converted from an older major lie in its own table, too.
            where.append(f"contract LIKE {literal(f'{event_type}/{contract.major}.%')}")
        ordered = ["event_time", EVENT_ID] if self._places else ["event_time"]
        listed = ",\n".join(f"        {one}" for one in ("org_id", *ordered, *columns))
        lateness = f"received_at <= event_time + INTERVAL '{of.lateness_seconds}' SECOND"
        return (
            f"    SELECT\n{listed}\n    FROM {source}\n"
            f"    WHERE {' AND '.join(where) or 'true'}{{% if not late %}} AND {lateness}{{% endif %}}"
        )

    def _placed(self, columns: list[str]) -> Iterator[str]:
        """Ranks by which the latest value of each `latest` is found; of two at once that of the greater id."""
        if not self._places:
            return
        by = ", ".join(["org_id", "window_start", *self._keys])
        yield "), placed AS ("
        yield "    SELECT"
        for name in columns:
            yield f"        {name},"
        ranks = []
        for at, name in self._places.items():
            holds = f"{self._holds[at]} AND " if at in self._holds else ""
            absent = f"CASE WHEN {holds}value_{at} IS NOT NULL THEN 0 ELSE 1 END"
            ranks.append(
                f"        ROW_NUMBER() OVER (PARTITION BY {by} ORDER BY {absent}, event_time DESC, {EVENT_ID} DESC) AS {name}"
            )
        yield ",\n".join(ranks)
        yield "    FROM windowed"

    def _relations(self) -> list[str]:
        """What measures are taken from: each has the columns of the one before."""
        placed = ["placed"] if self._places else []
        steps = [
            f"taken_{at}_{step}" for at, one in self._funnels.items() for step in range(1, len(one.steps) + 1)
        ]
        return ["windowed", *placed, *steps]

    def _taken(self, columns: list[str]) -> Iterator[str]:
        """When each session took each step first behind the step before, a relation for each step; of one moment, in order."""
        relations = self._relations()
        for at, one in self._funnels.items():
            by = ", ".join(["org_id", "window_start", *self._keys, f"value_{at}"])
            for step in range(1, len(one.steps) + 1):
                name = f"taken_{at}_{step}"
                parts = [self._holds.get(at, ""), f"step_{at} = {step}"]
                parts += [f"event_time >= {name[:-1]}{step - 1}"] if step > 1 else []
                condition = " AND ".join(filter(None, parts))
                yield f"), {name} AS ("
                yield "    SELECT"
                for column in columns:
                    yield f"        {column},"
                yield f"        MIN(CASE WHEN {condition} THEN event_time END) OVER (PARTITION BY {by}) AS {name}"
                yield f"    FROM {relations[relations.index(name) - 1]}"
                columns = [*columns, name]

    def _measured(self) -> Iterator[tuple[str, str]]:
        """What is added up of a window: name, SQL."""
        for at, one in enumerate(self._of.measures):
            if one.kind == "distribution":
                yield from ((f"{one.name}_{number}", bin_) for number, bin_ in enumerate(self._bins(at, one)))
            elif one.kind == "funnel":
                for step in range(1, len(one.steps) + 1):
                    session = f"CASE WHEN taken_{at}_{step} IS NOT NULL THEN value_{at} END"
                    yield f"{one.name}_{step}", f"COUNT(DISTINCT {session})"
            elif one.kind == "mean":
                if one.type == "decimal":
                    value, holds = self._values[at], self._holds.get(at)
                    condition = f"{holds} AND {value} IS NOT NULL" if holds else f"{value} IS NOT NULL"
                    yield f"near_{at}", f"{{{{ mean('{value}', '{condition}') }}}}"
                yield f"total_{at}", self._sum(at, one)
                yield f"number_{at}", f"COUNT({self._chosen(at)})"
            elif one.kind != "top":
                yield one.name, self._measure(at, one)

    def _columns(self) -> Iterator[str]:
        """The columns of measures, from what was added up."""
        for at, one in enumerate(self._of.measures):
            if one.kind == "distribution":
                yield from (f"{one.name}_{number}" for number in range(len(one.edges) + 1))
            elif one.kind == "funnel":
                yield from (f"{one.name}_{step}" for step in range(1, len(one.steps) + 1))
            elif one.kind == "mean" and one.type == "decimal":
                yield f"{{{{ exact_mean('near_{at}', 'total_{at}', 'number_{at}') }}}} AS {one.name}"
            elif one.kind == "mean":
                yield f"CAST(total_{at} AS DOUBLE) / NULLIF(number_{at}, 0) AS {one.name}"
            elif one.kind != "top":
                yield one.name

    def _derived(self) -> Iterator[str]:
        """What follows from the measures, in the same operations as `aggregates/derived.py`."""
        columns = [column.rpartition(" AS ") for column in self._columns()]
        written = {name: sql or name for sql, _, name in columns}
        for one in self._of.derived:
            taken = {role: written[name] for role, name in one.of.items()}
            written[one.name] = _DERIVED[one.kind](**taken)
            yield f"{written[one.name]} AS {one.name}"

    def _chosen(self, at: int) -> str:
        """The value of an event that is measured, else null."""
        value, holds = self._values[at], self._holds.get(at, "")
        return f"CASE WHEN {holds} THEN {value} END" if holds else value

    def _sum(self, at: int, one: Measure) -> str:
        macro = "total" if one.type == "decimal" else "total_integer"
        return f"{{{{ {macro}('{self._chosen(at)}') }}}}"

    def _decayed(self, at: int, one: Measure) -> str:
        """A sum of weights in millionths, rounded half away from zero, as both engines round a decimal."""
        weight, holds = self._weights[at], self._holds.get(at, "")
        if one.kind == "sum":
            value = "DECIMAL(31, 4)" if one.type == "decimal" else "DECIMAL(31, 0)"
            weight = f"CAST({self._values[at]} AS {value}) * CAST({weight} AS DECIMAL(7, 0))"
        chosen = f"CASE WHEN {holds} THEN {weight} END" if holds else weight
        room = "DECIMAL(31, 4)" if one.type == "decimal" else "DECIMAL(31, 0)"
        added = f"CAST(COALESCE(SUM({chosen}), 0) AS {room})"
        return f"ROUND({added} * CAST('0.000001' AS DECIMAL(7, 6)), 4)"

    def _measure(self, at: int, one: Measure) -> str:
        holds = self._holds.get(at, "")
        if at in self._weights:
            return self._decayed(at, one)
        match one.kind:
            case "count":
                return f"COUNT(*) FILTER (WHERE {holds})" if holds else "COUNT(*)"
            case "share":
                return f"{{{{ share('{holds}') }}}}"
            case "sum":
                return f"COALESCE({self._sum(at, one)}, 0)"
            case "distinct":
                return f"COUNT(DISTINCT {self._chosen(at)})"
            case "latest":
                condition = f"{self._places[at]} = 1" + (f" AND {holds}" if holds else "")
                return f"MAX({self._values[at]}) FILTER (WHERE {condition})"
            case _:
                return f"{one.kind.upper()}({self._chosen(at)})"

    def _bins(self, at: int, one: Measure) -> Iterator[str]:
        value, holds = self._values[at], self._holds.get(at, "")
        for low, high in zip((None, *one.edges), (*one.edges, None), strict=True):
            parts = [
                holds,
                "" if low is None else f"{value} >= {low}",
                "" if high is None else f"{value} < {high}",
            ]
            yield f"COUNT(*) FILTER (WHERE {' AND '.join(filter(None, parts))})"


def _ratio(of: str, by: str) -> str:
    return f"CASE WHEN {by} <> 0 THEN {_rounded(f'{_double(of)} / {_double(by)}')} END"


def _difference(of: str, by: str) -> str:
    return f"CAST({of} AS DECIMAL(38, 4)) - CAST({by} AS DECIMAL(38, 4))"


def _projection(of: str, since: str, at: str, until: str) -> str:
    grown = f"{_double(of)} * (EPOCH({until}) - EPOCH({since})) / (EPOCH({at}) - EPOCH({since}))"
    return (
        f"CASE WHEN {since} IS NOT NULL AND {at} >= {until} THEN {_rounded(_double(of))} "
        f"WHEN {at} > {since} THEN {_rounded(grown)} END"
    )


def _reached(of: str, by: str, since: str, at: str) -> str:
    second = f"EPOCH({since}) + (EPOCH({at}) - EPOCH({since})) * {_double(by)} / {_double(of)}"
    return (
        f"CASE WHEN {of} > 0 AND {by} >= 0 AND {at} > {since} THEN "
        f"CASE WHEN {second} < {derived.LAST_SECOND} THEN TO_TIMESTAMP(FLOOR({second})) END END"
    )


def _double(sql: str) -> str:
    return f"CAST({sql} AS DOUBLE)"


def _rounded(sql: str) -> str:
    """A double as a decimal of four places."""
    units = f"CAST(FLOOR(({sql}) * 10000 + 0.5) AS DECIMAL(34, 0))"
    return f"CASE WHEN ABS({sql}) < {derived.LARGEST} THEN {units} * CAST('0.0001' AS DECIMAL(4, 4)) END"


_DERIVED: Mapping[str, Callable[..., str]] = {
    "ratio": _ratio,
    "difference": _difference,
    "projection": _projection,
    "reached": _reached,
}


def _weight(one: Measure) -> str:
    """What an event counts, in millionths, by the age of its tile at the end of the window."""
    end = "FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }} + {{ (minutes - step) * 60 }}"
    tile = f"FLOOR(EPOCH(event_time) / {TILE_SECONDS}) * {TILE_SECONDS}"
    power = f"POWER(CAST(2 AS DOUBLE), -({end} - {tile}) / {one.half_life_seconds})"
    return f"CAST(FLOOR({power} * {WEIGHT} + 0.5) AS BIGINT)"


def _condition(where: Sequence[Condition], event_type: str, known: Mapping[str, Field]) -> str:
    written = conditions.sql(where, known).replace(f'"{EVENT_TYPE}"', literal(event_type))
    # A constant may have what Jinja would read.
    return _JINJA.sub(lambda match: f"{{{{ '{match[0]}' }}}}", written)


def _column(part: Key | Measure, event_type: str, known: Mapping[str, Field]) -> str:
    name = part.of.get(event_type)
    if name == EVENT_TYPE:
        return literal(event_type)
    if name is None or name not in known:
        return f"CAST(NULL AS {duckdb_type(Scalar(part.type))})"
    return identifier(name)
