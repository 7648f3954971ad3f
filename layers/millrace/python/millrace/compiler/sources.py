"""From `schemas/sources/*.yaml` to bindings (`feeders/binding.py`). Build only."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from millrace.compiler.definitions import Definitions
from millrace.compiler.sentences import meant
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.core.settings import Environment
from millrace.feeders.binding import BUS

FOLDER = "sources"
# What the platform publishes: taken in again it would go round for ever. `routing.route` puts it on the bus.
ROUTED_SOURCE = "millrace.events"
_MEANINGS = {
    "name": "a source is called in small letters, digits and -, such as shop-orders",
    "org": "a tenant is in small letters, such as org_acme",
}


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True
    )


class BusSource(_Strict):
    """Of kind `bus`: a rule of EventBridge brings the events."""

    bus: str = Field("default", min_length=1, max_length=256)
    """`default`, `platform`, or the name of a (partner) bus."""
    source: str = Field(min_length=1, max_length=256)
    """The source of the events."""
    detail_types: list[str] = Field([], alias="detailTypes", max_length=50)
    """The events' detail types; empty: all."""
    event_type: str | None = Field(None, alias="eventType")
    """Of the event that a foreign `detail` becomes the payload of; without it each `detail` is an event of ours."""


class SourceDefinition(_Strict):
    """A file: one source that feeds intake for one tenant. What is of its kind stands in the setting of that name."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    """Of the source, and of its file; the `eventSource` of its events that have none."""
    description: str = Field(min_length=1, max_length=500)
    """What it brings, in a sentence."""
    org: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    """The tenant that its events are taken in for."""
    environments: list[Environment] = Field(min_length=1)
    """That it is deployed to. A tenant that is in `dev` only has a source of its own, whose only environment is `dev`."""
    kind: Literal["bus"]
    """What feeds it."""
    bus: BusSource | None = None
    """Of kind `bus`."""


DEFINITIONS = Definitions(FOLDER, "source", SourceDefinition, _MEANINGS)
KINDS = (BUS,)


def compile_sources(schemas_dir: Path, contracts: Iterable[Contract]) -> list[dict[str, Any]]:
    """Every source by name, as `Binding.from_json` takes it.

    Raises:
        ContractError: with every problem of every file.
    """
    types = sorted({contract.event_type for contract in contracts if not contract.derived})
    read, problems = DEFINITIONS.read(schemas_dir)
    problems += [
        ContractProblem(file, *problem) for file, one in read.items() for problem in _problems(one, types)
    ]
    if problems:
        raise ContractError(problems)
    return [one.model_dump(exclude={"description"}, exclude_none=True) for one in read.values()]


def _problems(one: SourceDefinition, types: list[str]) -> Iterator[tuple[str, str]]:
    for kind in KINDS:
        given = getattr(one, kind) is not None
        if kind == one.kind and not given:
            yield "/kind", f"a source of kind {kind} has its settings below `{kind}:`"
        elif kind != one.kind and given:
            yield f"/{kind}", f"a source of kind {one.kind} has no such settings"
    if len(set(one.environments)) < len(one.environments):
        yield "/environments", "an environment stands here twice"
    if one.bus is not None:
        yield from _bus_problems(one.bus, types)


def _bus_problems(bus: BusSource, types: list[str]) -> Iterator[tuple[str, str]]:
    if bus.source == ROUTED_SOURCE:
        yield (
            "/bus/source",
            f"{ROUTED_SOURCE} is what the platform publishes: taken in again it would go round for ever",
        )
    if bus.event_type is not None and bus.event_type not in types:
        yield (
            "/bus/eventType",
            f"{bus.event_type} is not a type that a client may send{meant(bus.event_type, types)}",
        )
