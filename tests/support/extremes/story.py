"""One run: what a shop sends alone, then the same beside tenants that send extremes; and whatever is wrong afterwards."""

import random
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from millrace.contracts import registry as contracts
from millrace.contracts.registry import Registry
from tests.support.extremes import counted, edges, events, exports, gold, places, reads, snapshot
from tests.support.extremes.edges import Judge
from tests.support.extremes.events import Made
from tests.support.extremes.world import World
from tests.support.people import same_numbers

QUIET = ("org_acme", "org_globex")
# Names at the ends of what a tenant's name may be, and two that mean something elsewhere.
EXTREME = ("0", "z" * 63, "null", "nan_-")
ORDINARY = 3
_ROUNDS = 8
RUN = "hourly_etl-extremes-1"
# What a schema itself says that it takes: intake has to take it.
_BOUNDS = {"smallest", "largest", "shortest", "longest"}
_PASSED = {"accepted", "duplicate"}
# Where nothing of the event is at fault: it is older than is kept, or its type is the platform's own.
_OF_THE_WHOLE = {"/timestamp", "/eventType", "/eventId", "/version"}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a run.

    Attributes:
        turns: which of its extremes each field takes, an event for each.
        edges: of how many contracts the largest free objects are looked for.
        crowd: how many events have one user, session, flow and entity.
        refusals: how many of the events that must be refused are sent; all are judged.
        sample: how many events each call of the API is checked with.
        seed: of the order in which things are sent.
    """

    turns: Sequence[int]
    edges: int = 1
    crowd: int = 40
    refusals: int = 60
    sample: int = 50
    seed: int = 0


@dataclass
class RunReport:
    """What came of it."""

    wrong: list[str] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)
    # Of this process, by what was done.
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, sentences: Iterable[str]) -> None:
        """Adds what is wrong."""
        self.wrong += sentences

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Notes how long something took."""
        began = time.process_time()
        yield
        self.seconds[name] = round(time.process_time() - began, 1)


def run_extremes(endpoint: str, size: Size) -> RunReport:
    """Tells it on the emulator at an endpoint, to which the process points already."""
    registry, report = contracts.load(), RunReport()
    now = datetime.now(UTC).replace(microsecond=0)
    quiet = [
        events.ordinary(contract, number, org, now)
        for contract in registry.contracts
        for number in range(ORDINARY)
        for org in QUIET
        if not contract.derived
    ]
    with same_numbers(), ExitStack() as stack, report.timed("alone"):
        world = World(endpoint, stack, now)
        alone = _alone(world, quiet, size, report)
        kept = world.tenant_keys()
    with same_numbers(), ExitStack() as stack:
        with report.timed("mixed"):
            world = World(endpoint, stack, now, kept)
            accepted = _mixed(world, registry, quiet, size, report)
        with report.timed("others"):
            report.add(snapshot.different(alone, snapshot.of_tenants(world, set(QUIET))))
        for name, sentences in _checks(world, registry, [*quiet, *accepted], accepted, size):
            with report.timed(name):
                report.add(sentences)
    return report


def _checks(
    world: World, registry: Registry, everything: Sequence[Made], accepted: Sequence[Made], size: Size
) -> Iterator[tuple[str, Iterable[str]]]:
    """The checks of the final state, by name."""
    stores = places.read_all(world, registry)
    tenants = sorted({made.org for made in everything})
    yield "places", places.check(stores, everything)
    yield "tiles", counted.check(world)
    yield "tables", gold.check(stores.tables, everything, registry)
    yield "queries", exports.queries(world, stores, random.Random(size.seed), size.sample // 10)
    yield "features", exports.feature_values(world, RUN, tenants)
    days = sorted({row["event_time"].date().isoformat() for row in snapshot.raw(world)})
    yield "reconciliation", exports.reconciled(world, days, tenants)
    refused = [(made, result) for made, result in world.answers if result["status"] not in _PASSED]
    yield "calls", reads.check(world, stores, accepted, refused, random.Random(size.seed), size.sample)


def _alone(world: World, quiet: Sequence[Made], size: Size, report: RunReport) -> snapshot.Snapshot:
    results = world.send(quiet, random.Random(size.seed))
    report.add(
        f"an ordinary event is {one['status']}: {one}" for one in results if one["status"] not in _PASSED
    )
    world.settle()
    _run(world, report)
    return snapshot.of_tenants(world, set(QUIET))


def _mixed(
    world: World, registry: Registry, quiet: Sequence[Made], size: Size, report: RunReport
) -> list[Made]:
    """Sends all of it and runs; the extreme events that were accepted."""
    rng = random.Random(size.seed)
    extreme = [*_extreme(registry, size, world.now, report)]
    mixed = [*quiet, *extreme]
    rng.shuffle(mixed)
    mine = {id(one) for one in extreme}
    accepted: list[Made] = []
    refused = Counter[tuple[str, str, str]]()
    for _ in range(_ROUNDS):
        left: list[Made] = []
        for made, result in zip(mixed, world.send(mixed, rng), strict=True):
            report.figures[result["status"]] += 1
            if result["status"] in _PASSED:
                accepted += [made] if id(made) in mine else []
            else:
                left += _mended(made, result, refused, report)
        mixed = left
        mine |= {id(one) for one in mixed}
        if not mixed:
            break
    report.add(
        f"{name} of {pointer} of {contract} is refused, and its contract takes it"
        for contract, pointer, name in refused
        if name in _BOUNDS
    )
    world.settle()
    _run(world, report)
    return accepted


def _extreme(registry: Registry, size: Size, now: datetime, report: RunReport) -> Iterator[Made]:
    """Everything that is extreme; what must be refused is judged, and some of it sent as well."""
    judge, rng = Judge(registry, now), random.Random(size.seed)
    must_go: list[Made] = []
    for number, contract in enumerate(registry.contracts):
        org = events.sender(contract, EXTREME[number % len(EXTREME)])
        if org is None:
            forged = events.ordinary(contract, 0, EXTREME[number % len(EXTREME)], now)
            if {error.pointer for error in judge.errors(forged)} != {"/eventType"}:
                report.add([f"{contract.name} is the platform's own, and is not refused"])
            must_go.append(forged)
            continue
        for turn in size.turns:
            other = EXTREME[(number + turn) % len(EXTREME)]
            yield events.extremes(registry, contract, turn, events.sender(contract, other) or other, now)
        for made, pointer in events.refusals(contract, org, now):
            errors = judge.errors(made)
            if not any(error.pointer == pointer for error in errors):
                report.add([f"{contract.name} with {made.names} is not refused at {pointer} but {errors}"])
            must_go.append(made)
    open_to_all = [contract for contract in registry.contracts if not contract.derived]
    for number, contract in enumerate(rng.sample(open_to_all, size.edges)):
        for most, beyond in edges.largest(judge, contract, EXTREME[number % len(EXTREME)], now):
            yield most
            if not judge.errors(beyond):
                report.add([f"{contract.name} with {beyond.names} is not refused"])
    for number, contract in enumerate(events.crowded(registry)):
        yield from events.crowd(contract, size.crowd, EXTREME[number % len(EXTREME)], now)
    yield from rng.sample(must_go, min(size.refusals, len(must_go)))


def _mended(
    made: Made, result: Row, refused: Counter[tuple[str, str, str]], report: RunReport
) -> Iterator[Made]:
    """The event without what it was refused for; a refusal names a field in which something extreme stands."""
    changed = False
    for error in result.get("errors", ()):
        pointer = error["pointer"]
        for at in [at for at in made.names if pointer == at or pointer.startswith(f"{at}/")]:
            refused[made.contract.name, at, made.names[at]] += 1
        if pointer in _OF_THE_WHOLE:
            return
        changed |= made.reset(pointer)
    if not changed:
        report.add([f"{made.contract.name} is {result['status']} and nothing of it is named: {result}"])
        return
    number = uuid.UUID(made.event["eventId"]).int + 1
    made.event["eventId"] = str(uuid.UUID(int=number, version=4))
    yield made


def _run(world: World, report: RunReport) -> None:
    summary = world.run(RUN)
    report.figures["rows of silver"] += summary.rows if summary is not None else 0
    if summary is None or summary.status != "done":
        report.add(
            f"the run left out {one}"
            for one in (summary.failures if summary is not None else ("everything",))
        )
