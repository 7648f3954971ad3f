"""A day of two tenants through counters, marks, folds and reads, and through the generated SQL over what was archived: equal.

python -m tests.support.equal_day 20000      that many events; a small day is in `make test`
"""

import os
import random
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from millrace.aggregates import measures
from millrace.aggregates import registry as aggregates
from millrace.aggregates.count import EventCounter
from millrace.aggregates.definition import DAY_SECONDS, Aggregate, of_types
from millrace.aggregates.facts import Facts
from millrace.aggregates.folding import Folding
from millrace.aggregates.reads import TenantTiles
from millrace.aggregates.registry import Aggregates
from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.errors import RetryableError
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import StoredEvent, to_item
from millrace.lake import raw_to_silver
from tests.support.expressions import Row
from tests.support.raw_files import RawFiles, again, event
from tests.support.sealed import Tiles, in_stored_form, sealed, silver_of
from tests.support.shaky import Shaky
from tests.support.silver_runs import CONTRACTS, DAY, run

ROOT = Path(__file__).parents[2]
ORGS = ("org_acme", "org_globex")
# Seconds between an event and its receipt, and how often: seconds, hours, six days, beyond the lateness of some and of all.
_LATE = ((0.0, 60), (1.5, 20), (3_600, 6), (3_600.001, 4), (6 * 86_400, 2), (8 * 86_400, 1))
_MERCHANTS = ("Nile", "Ärger & Söhne", "a#b", "%", "")
_BATCH = 60
_CHANCE = 0.002


class _Tables(Shaky):
    """Reads of a partition look at its rows alone: a day has some ten thousands."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self._partitions: dict[str, dict[Any, Row]] = defaultdict(dict)

    def changed(self, table: str, old: Row | None, new: Row | None) -> None:
        row = new or old or {}
        partition = self._partitions[row["metricKey"]["S"]]
        partition.pop(row["tileKey"]["S"], None)
        if new is not None:
            partition[row["tileKey"]["S"]] = new

    def query(self, *, TableName: str, KeyConditionExpression: str, **how: Any) -> dict[str, Any]:  # noqa: N803
        found = re.match(r"metricKey = (:\w+)", KeyConditionExpression)
        assert found is not None
        rows = self._partitions[how["ExpressionAttributeValues"][found[1]]["S"]]
        whole, self.tables["Analytics"] = self.tables["Analytics"], rows
        try:
            page: dict[str, Any] = super().query(
                TableName=TableName, KeyConditionExpression=KeyConditionExpression, **how
            )
        finally:
            self.tables["Analytics"] = whole
        return page


def compare(number: int, seed: int, folder: Path, contracts: Registry) -> Counter[str]:
    """Tells a day and raises AssertionError where the two differ; what the day had, counted.

    Args:
        number: of events.
        seed: of all that is left to chance.
        folder: for the lake.
        contracts: those in force.
    """
    rng, files, counted = random.Random(seed), RawFiles(folder / "lake"), Counter[str]()
    found = _aggregates(contracts)
    types = [name for name in of_types(list(found)) if f"{name}.v1" in CONTRACTS]
    made = {org: [_event(org, types, rng) for _ in range(number // len(ORGS))] for org in ORGS}
    for org, events in made.items():
        # The archive writes what is redelivered again.
        for batch in (events, rng.sample(events, len(events) // 5)):
            files.put(org, DAY, batch)
    # Generated values keep no rule, and a row that breaks a check stays.
    with patch.object(raw_to_silver, "MOST_UNFIT", -1):
        done = run(files, contracts)
    stream = _Stream(found, rng, counted)
    stream.tell([one for events in made.values() for one in events])
    for org in ORGS:
        assert not done[org, DAY].failures
        parts = [part for part in done[org, DAY].parts if part.file is not None]
        with silver_of(contracts, types, files, parts) as (connection, sources):
            for one in found:
                wanted, late = sealed(one, connection, sources)
                tiles = stream.tiles(org, one)
                assert tiles == wanted, f"{one.name} of {org}: {_first(tiles, wanted)}"
                assert stream.late(org, one) == sum(late.values()), f"late events of {one.name} of {org}"
                counted["tiles and keys"] += sum(map(len, wanted.values()))
                counted["late"] += sum(late.values())
                counted["tiles with other keys"] += sum(() in keys for keys in wanted.values() if one.keys)
    return counted


def _first(tiles: Tiles, wanted: Tiles) -> str:
    tile = min(at for at in tiles.keys() | wanted.keys() if tiles.get(at) != wanted.get(at))
    return f"tile {tile} of {len(tiles)} and {len(wanted)}: {tiles.get(tile)} instead of {wanted.get(tile)}"


def _aggregates(contracts: Registry) -> Aggregates:
    """Those of the table, and one whose keys and lateness are reached."""
    shipped = {one.name: one for one in aggregates.load() if not one.of_log}
    few = replace(
        shipped["transactions_by_merchant"], name="few_merchants", most_keys=2, lateness_seconds=3_600
    )
    return Aggregates({**shipped, few.name: few}, contracts)


def _event(org: str, types: Sequence[str], rng: random.Random) -> StoredEvent:
    name = "transaction.created" if rng.random() < 0.5 else rng.choice(types)
    payload: dict[str, Any] = {}
    if name == "transaction.created":
        merchant = rng.choice(_MERCHANTS) if rng.random() < 0.5 else f"m{rng.randrange(30)}"
        amount = rng.choice((0, 0.0001, 99.5, 999_999_999_999.9999, rng.randrange(10**9) / 10_000))
        payload = {"merchant": merchant, "amount": amount, "user_id": rng.randrange(700)}
    one = event(CONTRACTS[f"{name}.v1"], org, DAY, rng, **payload)
    ((late, _),) = rng.choices(_LATE, [weight for _, weight in _LATE])
    return again(one, late)


def _received(one: StoredEvent) -> datetime:
    return clock.parse(one.envelope["platform"]["receivedAt"])


class _Stream:
    """Batches as they are received, some of them again, halved or a day later; folds and kills in between."""

    def __init__(self, found: Aggregates, rng: random.Random, counted: Counter[str]) -> None:
        self._found, self._rng, self._counted = found, rng, counted
        self._tables = _Tables(rng.getrandbits(32))
        self._table, self._codec = (
            Table(self._tables, "Analytics", attempts=1),
            Codec(found.contracts.dictionary),
        )
        self._now = clock.midnight(date.fromisoformat(DAY))
        facts = Facts(list(found), found.contracts.of_ref)
        token = lambda: f"{rng.getrandbits(64):x}"  # noqa: E731
        self._counter = EventCounter(self._table, self._codec, facts, token, now=lambda: self._now)

    def tell(self, events: Sequence[StoredEvent]) -> None:
        """All of them; the last minutes are left to be read from facts."""
        rng = self._rng
        batches: list[tuple[datetime, list[Delivery]]] = []
        left = sorted(events, key=_received)
        while left:
            # A batch is of some minutes, however few events there are.
            until = _received(left[0]) + timedelta(minutes=5)
            size = rng.randint(1, sum(_received(one) < until for one in left[:_BATCH]))
            some, left = left[:size], left[size:]
            received = _received(some[-1])
            batch = [self._delivery(one) for one in rng.sample(some, len(some))]
            batches.append((received + timedelta(seconds=rng.uniform(0, 40)), batch))
            for name, chance, longest in (("redelivered", 0.3, 600), ("redriven", 0.1, 86_400)):
                if rng.random() < chance:
                    part = rng.sample(batch, rng.randint(1, len(batch)))
                    batches.append((received + timedelta(seconds=rng.uniform(0, longest)), part))
                    self._counted[name] += len(part)
        for at, batch in sorted(batches, key=lambda one: one[0]):
            if at - self._now > timedelta(hours=6):
                # Nothing comes for long: some fold of these hours ends.
                self._now += timedelta(hours=2)
                self._fold()
            self._now = at
            while not self._killed(lambda batch=batch: self._counter.count(batch)):
                pass
            if rng.random() < 0.3:
                self._killed(self._fold)
        # Whatever was killed is folded now, but for what comes again in the end.
        self._now += timedelta(hours=2)
        self._fold()
        self._counter.count(batches[-1][1])
        self._counted["deliveries"] = sum(len(batch) for _, batch in batches)

    def tiles(self, org: str, one: Aggregate) -> Tiles:
        """What readers get, in stored form."""
        start = clock.epoch(clock.midnight(date.fromisoformat(DAY)))
        read = TenantTiles(self._table, org, one, self._found.types, self._now)
        kinds = [measures.of(measure) for measure in one.measures]
        return in_stored_form(kinds, read.between(start, start + DAY_SECONDS))

    def late(self, org: str, one: Aggregate) -> int:
        """What readers are told of events that were too late."""
        start = clock.epoch(clock.midnight(date.fromisoformat(DAY)))
        read = TenantTiles(self._table, org, one, self._found.types, self._now)
        return read.late(start, start + 12 * DAY_SECONDS)

    def _delivery(self, one: StoredEvent) -> Delivery:
        contract = self._found.contracts.of_ref(one.envelope["platform"]["contract"])
        item = to_item(dict(one.envelope), contract, one.fingerprint, self._codec)
        return Delivery(item, "table", "1", self._now, {})

    def _fold(self) -> None:
        said: list[Mapping[str, Any]] = []
        folding = Folding(self._table, self._found, lambda _, about: said.append(about), lambda: self._now)
        folded = folding.run(60, lambda: 60.0)
        self._counted["minutes folded"] += folded.minutes

    def _killed(self, work: Any) -> bool:
        self._tables.chance = _CHANCE
        try:
            work()
        except RetryableError:
            self._counted["killed"] += 1
            return False
        finally:
            self._tables.chance = 0.0
        return True


def main(arguments: list[str]) -> int:
    """Ends with 1 where a day differs."""
    from millrace.compiler.bundle import assemble

    number = int(arguments[0]) if arguments else 20_000
    with tempfile.TemporaryDirectory() as folder:
        assemble(ROOT / "schemas", ROOT / "warehouse", Path(folder) / "bundle")
        os.environ["MILLRACE_BUNDLE"] = str(Path(folder) / "bundle")
        try:
            counted = compare(number, 1, Path(folder), Registry(Path(folder) / "bundle"))
        except AssertionError as error:
            sys.stderr.write(f"stream and lake differ: {str(error)[:2000]}\n")
            return 1
    sys.stdout.write(f"{number} events, equal: {dict(counted)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
