"""A pattern as its author writes it in `schemas/patterns/*.yaml`, and what is wrong with one whatever its events are. Build only."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from millrace.compiler.aggregate_definition import Name, Span, Text, seconds
from millrace.patterns.definition import ABSENCE, CORRELATION, COUNT, SESSION, USER

# A missing step whose events are any.
ANY = "any"
MOST_STEPS, MOST_COUNT = 10, 100
LEAST_SECONDS, MOST_SECONDS = 60, 7 * 86_400
# What texts of these names look like.
MEANINGS = {
    "version": "a version is major.minor.patch, such as 1.2.0",
    "name": "a name is in snake case",
    "within": "a span is a whole number of m, h or d, such as 30m or 7d",
    "quiet": "a span is a whole number of m, h or d, such as 30m or 7d",
    "distinct": "a field is named as silver's column is, in snake case",
    "event": "an event type has parts with points between, such as order.created",
}
_OF_STEP = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")


def _joined_by(value: Any) -> Any:
    words = (USER, SESSION, CORRELATION)
    named = isinstance(value, dict) and len(value) == 1 and set(value) <= {"entity", "field"}
    if value not in words and not (named and all(isinstance(one, str) for one in value.values())):
        raise ValueError(f"events are joined by {', '.join(words)}, {{entity: NAME}} or {{field: NAME}}")
    return value


def _of_steps(value: Any) -> Any:
    if not isinstance(value, dict) or not all(
        isinstance(one, str) and _OF_STEP.fullmatch(one) for one in value.values()
    ):
        raise ValueError(
            "it has to be an object of fields, each with one of an earlier step, such as failed.device_id"
        )
    return value


OfSteps = Annotated[dict[str, str], BeforeValidator(_of_steps)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class StepDefinition(_Strict):
    """A step."""

    name: Name
    event: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$")]
    where: list[dict[str, Any]] = []
    count: Annotated[int, Field(ge=1, le=MOST_COUNT)] = 1
    distinct: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = None
    same: OfSteps = {}
    different: OfSteps = {}


class MissingDefinition(_Strict):
    """The step that does not come."""

    event: Annotated[str, Field(pattern=r"^(any|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+)$")]
    where: list[dict[str, Any]] = []


class PatternDefinition(_Strict):
    """A file."""

    name: Name
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Text
    owner: Annotated[str, Field(min_length=1, max_length=128)]
    severity: Literal["info", "warning", "critical"]
    pattern: Literal["sequence", "all", "count", "absence"]
    by: Annotated[Any, BeforeValidator(_joined_by)]
    within: Span
    quiet: Span | None = None
    steps: list[StepDefinition] = Field(min_length=1, max_length=MOST_STEPS)
    missing: MissingDefinition | None = None


def problems(one: PatternDefinition) -> Iterator[tuple[str, str]]:
    """A pointer and a sentence each."""
    if not LEAST_SECONDS <= seconds(one.within) <= MOST_SECONDS:
        yield "/within", f"it has to be at least 1m and at most 7d, not {one.within}"
    if (one.missing is not None) is not (one.pattern == ABSENCE):
        yield (
            ("/missing", f"only an absence misses a step, and this is a {one.pattern}")
            if one.missing
            else ("/pattern", "an absence says what does not come: add missing: {event: …}")
        )
    if one.pattern == COUNT and len(one.steps) > 1:
        yield "/steps", "a count has one step, and its count says how many of it"
    if one.pattern in ("sequence", "all") and len(one.steps) < 2:
        yield "/steps", f"a {one.pattern} has at least two steps; for many of one kind take pattern: count"
    names = [step.name for step in one.steps]
    for at, step in enumerate(one.steps):
        if step.distinct is not None and step.count < 2:
            yield f"/steps/{at}/distinct", "events of a step differ where there are several: add count"
        if step.name in names[:at]:
            yield f"/steps/{at}/name", f"two steps are called {step.name}; each has a name of its own"
        for word in ("same", "different"):
            for field, of in getattr(step, word).items():
                earlier = of.partition(".")[0]
                if earlier not in names[:at]:
                    known = (
                        f"; earlier are {', '.join(names[:at])}" if at else "; there is none before the first"
                    )
                    yield f"/steps/{at}/{word}/{field}", f"{earlier} is no earlier step{known}"


def meaning(one: PatternDefinition) -> dict[str, Any]:
    """What decides what it finds: all but the words for people."""
    found = one.model_dump(exclude={"version", "title", "description", "owner"})
    # Versions that were pinned before there was such a word stay what they are.
    found["steps"] = [
        {name: value for name, value in step.items() if name != "distinct" or value is not None}
        for step in found["steps"]
    ]
    return found
