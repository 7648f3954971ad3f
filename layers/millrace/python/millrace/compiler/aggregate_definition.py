"""An aggregate as its author writes it in `schemas/aggregates/*.yaml`, and what is wrong with one whatever its events are."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from millrace.aggregates import decay
from millrace.aggregates.definition import LONGEST_DECAYED, TILE_SECONDS
from millrace.aggregates.funnels import MOST_STEPS

_SPAN = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
DAY = 86_400
Span = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}[mhd]$")]
Days = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}d$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
EventType = Annotated[str, Field(pattern=r"^(all|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+)$")]
Text = Annotated[str, Field(min_length=1, max_length=500)]
# Of every contract that is stored in the table.
ALL = ["all"]
MOST_EVENTS, MOST_KEYS, MOST_MEASURES, MOST_EDGES = 40, 4, 16, 40
LEAST_HALF_LIFE, MOST_HALF_LIFE = 3600, 365 * DAY
DEFAULT_MOST_KEYS, DEFAULT_RETENTION_DAYS, DEFAULT_WINDOW = 1000, 400, "10m"
# What answers and tables have besides keys and measures.
RESERVED = ("start", "end", "key", "final", "other", "org_id", "window_start", "window_end", "tile_start")
# What texts of these names look like.
MEANINGS = {
    "version": "a version is major.minor.patch, such as 1.2.0",
    "lateness": "a span is a whole number of m, h or d, such as 10m or 7d",
    "window": "a window is a whole number of m or h, such as 10m or 1h, or 1d",
    "retention": "a retention is a whole number of days, such as 400d",
    "halfLife": "a half-life is a whole number of h or d, such as 12h or 7d",
    "events": "an event type has parts with points between, such as order.created",
    **dict.fromkeys(("name", "of", "keys", "rankedBy"), "a name is in snake case"),
}
# Kinds that measure values, and the types of columns that they take. No floats are added: a sum would depend on the order
# of events. And what is a text in a state, as in `distinct` and `top`, has to be written in one way only.
TYPES: dict[str, tuple[str, ...]] = {
    "sum": ("int", "long", "decimal"),
    "mean": ("int", "long", "decimal"),
    "min": ("int", "long", "decimal", "double", "timestamptz", "date"),
    "max": ("int", "long", "decimal", "double", "timestamptz", "date"),
    "latest": ("string", "int", "long", "decimal", "double", "boolean", "timestamptz", "date"),
    "distinct": ("string", "int", "long", "boolean", "date"),
    "top": ("string", "int", "long", "boolean", "date"),
    "distribution": ("int", "long", "decimal", "double"),
    "funnel": ("string", "int", "long"),
}
# Settings of measures that came after the first versions were pinned.
_LATER = frozenset({"steps", "decay"})
# Who gives what a measure is derived from.
ROLES = ("of", "by", "since", "at", "until")
KEY_TYPES = ("string", "int", "long", "boolean", "date")


def _columns(value: Any) -> Any:
    names = (
        [value] if isinstance(value, str) else [*value, *value.values()] if isinstance(value, dict) else []
    )
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(
            "it has to be a column that all types have, or an object of event types with a column each"
        )
    return value


# A column that all types have, or for each type its own.
Columns = Annotated[Any, BeforeValidator(_columns)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Decay(_Strict):
    """How an event counts less the older it is at the end of the window."""

    halfLife: Span  # noqa: N815  as authors write it


class MeasureDefinition(_Strict):
    """A measure."""

    name: Name
    measure: Literal[
        "count", "sum", "mean", "min", "max", "latest", "share", "distinct", "top", "distribution", "funnel"
    ]
    of: Columns | None = None
    where: list[dict[str, Any]] = []
    most: Annotated[int, Field(ge=1, le=50)] | None = None
    edges: list[int | float] = []
    steps: list[EventType] = []
    decay: Decay | None = None


class DerivedDefinition(_Strict):
    """What follows from measures of a window; see `aggregates/derived.py`."""

    name: Name
    derive: Literal["ratio", "difference", "projection", "reached"]
    of: Name
    by: Name | None = None
    since: Name | None = None
    at: Name | None = None
    until: Name | None = None

    def roles(self) -> dict[str, str]:
        """Role → measure, of those that are said."""
        return {role: name for role in ROLES if (name := getattr(self, role)) is not None}


class AggregateDefinition(_Strict):
    """A file. `events: [all]` are those of every contract that is stored in the table."""

    name: Name
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    description: Text
    owner: Text
    events: list[EventType] = Field(min_length=1)
    source: Literal["log"] | None = None
    where: list[dict[str, Any]] = []
    keys: dict[Name, Columns] = {}
    measures: list[MeasureDefinition] = Field(min_length=1)
    derived: list[DerivedDefinition] = []
    mostKeys: Annotated[int, Field(ge=1, le=10_000)] = DEFAULT_MOST_KEYS  # noqa: N815  as authors write it
    rankedBy: Name | None = None  # noqa: N815
    lateness: Span | None = None
    retention: Days = f"{DEFAULT_RETENTION_DAYS}d"
    window: Span = DEFAULT_WINDOW


def seconds(span: str) -> int:
    """`7d` in seconds.

    Raises:
        ValueError: it is no span.
    """
    found = _SPAN.fullmatch(span)
    if found is None:
        raise ValueError(f"{span!r} is no span of time")
    return int(found[1]) * _SECONDS[found[2]]


def of_types(columns: Columns | None, events: Sequence[str]) -> dict[str, str]:
    """Event type → column."""
    if columns is None:
        return {}
    return dict.fromkeys(events, columns) if isinstance(columns, str) else dict(columns)


def ranked_by(one: AggregateDefinition) -> str:
    """The measure that decides which keys are kept: as said, else the first count, else the first sum."""
    if one.rankedBy is not None:
        return one.rankedBy
    counted = [measure.name for measure in one.measures if measure.measure == "count"]
    added = [measure.name for measure in one.measures if measure.measure == "sum"]
    return next(iter([*counted, *added]), "")


def meaning(one: AggregateDefinition) -> dict[str, Any]:
    """What decides what it counts, as its author wrote it, and nothing else: what is derived is counted by nobody."""
    document = one.model_dump(exclude={"version", "description", "owner", "retention", "window", "derived"})
    # What could not be said when a version was pinned is no part of it.
    document["measures"] = [
        {name: value for name, value in measure.items() if value or name not in _LATER}
        for measure in document["measures"]
    ]
    return document


def problems(one: AggregateDefinition) -> Iterator[tuple[str, str]]:
    """What is wrong with it whatever its events are: a pointer and a sentence each."""
    yield from _sizes(one)
    yield from _names(one)
    for at, measure in enumerate(one.measures):
        for pointer, sentence in _of_measure(measure):
            yield f"/measures/{at}{pointer}", sentence
    ranks = {measure.name: measure.measure for measure in one.measures}
    by = ranked_by(one)
    if one.keys and ranks.get(by) not in ("count", "sum"):
        what = (
            f"{by} is no count or sum of this aggregate" if by else "none of the measures is a count or sum"
        )
        yield "/rankedBy" if one.rankedBy else "/measures", f"keys are kept by a count or sum, and {what}"
    window = seconds(one.window)
    if window % TILE_SECONDS or (window > DAY and not any(measure.decay for measure in one.measures)):
        yield "/window", f"a window is a multiple of 5m up to 1d, not {one.window}"
    elif window > DAY and (window % DAY or window > LONGEST_DECAYED):
        most = LONGEST_DECAYED // DAY
        yield (
            "/window",
            f"of what decays a window is a multiple of 5m up to 1d, or 2d to {most}d, not {one.window}",
        )
    if one.lateness is not None and seconds(one.lateness) > seconds(one.retention):
        yield "/retention", f"{one.retention} is less than the lateness, {one.lateness}"


def _sizes(one: AggregateDefinition) -> Iterator[tuple[str, str]]:
    listed = 0 if one.events == ALL else len(one.events)
    for pointer, number, most in (
        ("/events", listed, MOST_EVENTS),
        ("/keys", len(one.keys), MOST_KEYS),
        ("/measures", len(one.measures), MOST_MEASURES),
        ("/derived", len(one.derived), MOST_MEASURES),
    ):
        if number > most:
            yield pointer, f"there may be {most}, not {number}: what is more is another aggregate"


def _names(one: AggregateDefinition) -> Iterator[tuple[str, str]]:
    if one.events != ALL and len(set(one.events)) < len(one.events):
        yield "/events", "a type stands here twice"
    if one.events == ALL and one.lateness is None:
        yield "/lateness", "of all events it has to be said, because it would change with their contracts"
    funnels = [at for at, measure in enumerate(one.measures) if measure.measure == "funnel"]
    for at in funnels[1:]:
        yield f"/measures/{at}", "an aggregate has one funnel, whose sessions fill a row: make another of it"
    seen: dict[str, str] = {}
    named = [(name, f"/keys/{name}", "key") for name in one.keys]
    named += [(measure.name, f"/measures/{at}/name", "measure") for at, measure in enumerate(one.measures)]
    named += [(derived.name, f"/derived/{at}/name", "measure") for at, derived in enumerate(one.derived)]
    for name, pointer, what in named:
        if name in RESERVED:
            yield pointer, f"{name} is the name of something else in answers or tables; choose another"
        elif name in seen:
            yield pointer, f"there is a {seen[name]} {name} already; choose another name"
        seen[name] = what


def _of_measure(one: MeasureDefinition) -> Iterator[tuple[str, str]]:
    needs = one.measure in TYPES
    if needs and one.of is None:
        yield "", f"{one.measure} needs `of`: the column that it measures"
    if not needs and one.of is not None:
        yield (
            "/of",
            f"{one.measure} measures no column; to count where one is there: where: [{{field: …, present: true}}]",
        )
    if one.measure == "share" and not one.where:
        yield "", "share needs `where`: the conditions that it is the share of"
    if (one.measure == "top") != (one.most is not None):
        yield (
            "" if one.measure == "top" else "/most",
            "top has `most`, the values that are kept, and no other has",
        )
    if (one.measure == "distribution") != bool(one.edges):
        yield (
            "" if one.measure == "distribution" else "/edges",
            "distribution has `edges`, the bounds of its bins, and no other has",
        )
    if one.edges != sorted(set(one.edges)):
        yield "/edges", "edges ascend"
    if any(round(edge, 4) != edge for edge in one.edges):
        yield "/edges", "edges have at most four decimals"
    if len(one.edges) > MOST_EDGES:
        yield "/edges", f"there may be {MOST_EDGES} edges, not {len(one.edges)}"
    yield from _of_time(one)


def _of_time(one: MeasureDefinition) -> Iterator[tuple[str, str]]:
    """What is wrong with steps, and with how a measure decays."""
    if one.decay is not None and one.measure not in decay.KINDS:
        yield "/decay", f"what is added up can decay, {', '.join(decay.KINDS)}, and not a {one.measure}"
    if one.decay is not None and not LEAST_HALF_LIFE <= seconds(one.decay.halfLife) <= MOST_HALF_LIFE:
        yield "/decay/halfLife", f"a half-life is 1h to 365d, not {one.decay.halfLife}"
    if (one.measure == "funnel") != bool(one.steps):
        yield (
            "" if one.measure == "funnel" else "/steps",
            "funnel has `steps`, event types in their order, and no other has",
        )
    if one.steps and not 2 <= len(one.steps) <= MOST_STEPS:
        yield "/steps", f"there may be 2 to {MOST_STEPS} steps, not {len(one.steps)}"
    if len(set(one.steps)) < len(one.steps):
        yield "/steps", "a type stands here twice"
