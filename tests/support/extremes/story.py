"""One telling: what a shop sends alone, then the same beside tenants that send extremes; and whatever is wrong afterwards."""

import random
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from millrace.contracts import registry as contracts
from millrace.contracts.registry import Registry
from tests.support.extremes import events, places, snapshot
from tests.support.extremes.events import Made
from tests.support.extremes.world import World

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


@dataclass
class Told:
    """What came of it."""

    wrong: list[str] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)

    def say(self, sentences: Iterable[str]) -> None:
        """Adds what is wrong."""
        self.wrong += sentences


def tell(endpoint: str, turns: Sequence[int], seed: int = 0) -> Told:
    """Tells it.

    Args:
        endpoint: of the emulator.
        turns: which of its extremes each field takes, an event for each.
        seed: of the order in which things are sent.
    """
    registry, told = contracts.load(), Told()
    now = datetime.now(UTC).replace(microsecond=0)
    quiet = [
        events.ordinary(contract, number, org, now)
        for contract in registry.contracts
        for number in range(ORDINARY)
        for org in QUIET
    ]
    with ExitStack() as stack:
        world = World(endpoint, stack, now)
        alone = _alone(world, quiet, seed, told)
        kept = world.tenant_keys()
    with ExitStack() as stack:
        world = World(endpoint, stack, now, kept)
        accepted = _mixed(world, registry, quiet, turns, seed, told)
        told.say(snapshot.different(alone, snapshot.of_tenants(world, set(QUIET))))
        told.say(places.check(places.read_all(world, registry), accepted, registry))
    return told


def _alone(world: World, quiet: Sequence[Made], seed: int, told: Told) -> snapshot.Snapshot:
    results = world.send(quiet, random.Random(seed))
    told.say(
        f"an ordinary event is {one['status']}: {one}" for one in results if one["status"] not in _PASSED
    )
    world.settle()
    _run(world, told)
    return snapshot.of_tenants(world, set(QUIET))


def _mixed(
    world: World, registry: Registry, quiet: Sequence[Made], turns: Sequence[int], seed: int, told: Told
) -> list[Made]:
    """Sends all of it and runs; the extreme events that were accepted."""
    rng = random.Random(seed)
    extreme = [
        events.extremes(registry, contract, turn, EXTREME[(number + turn) % len(EXTREME)], world.now)
        for number, contract in enumerate(registry.contracts)
        for turn in turns
    ]
    mixed = [*quiet, *extreme]
    rng.shuffle(mixed)
    mine = {id(one) for one in extreme}
    accepted: list[Made] = []
    refused = Counter[tuple[str, str, str]]()
    for _ in range(_ROUNDS):
        left = []
        for made, result in zip(mixed, world.send(mixed, rng), strict=True):
            told.figures[result["status"]] += 1
            if result["status"] in _PASSED:
                accepted += [made] if id(made) in mine else []
            else:
                left += _mended(made, result, refused, told)
        mixed = left
        mine |= {id(one) for one in mixed}
        if not mixed:
            break
    told.say(
        f"{name} of {pointer} of {contract} is refused, and its contract takes it"
        for contract, pointer, name in refused
        if name in _BOUNDS
    )
    world.settle()
    _run(world, told)
    return accepted


def _mended(made: Made, result: Row, refused: Counter[tuple[str, str, str]], told: Told) -> Iterator[Made]:
    """The event without what it was refused for; a refusal names a field in which something extreme stands."""
    found = False
    for error in result.get("errors", ()):
        pointer = error["pointer"]
        for at in [at for at in made.names if pointer == at or pointer.startswith(f"{at}/")]:
            refused[made.contract.name, at, made.names[at]] += 1
        if pointer in _OF_THE_WHOLE:
            return
        found |= made.reset(pointer)
    if not found:
        told.say([f"{made.contract.name} is {result['status']} and nothing of it is named: {result}"])
        return
    number = uuid.UUID(made.event["eventId"]).int + 1
    made.event["eventId"] = str(uuid.UUID(int=number, version=4))
    yield made


def _run(world: World, told: Told) -> None:
    summary = world.run(RUN)
    told.figures["rows of silver"] += summary.rows if summary is not None else 0
    if summary is None or summary.status != "done":
        told.say(
            f"the run left out {one}"
            for one in (summary.failures if summary is not None else ("everything",))
        )
