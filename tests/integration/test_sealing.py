"""Days that are sealed from silver: what a reader then finds, when a day is due, and what is said where the stream differs."""

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from millrace.aggregates import blocks, measures, registry, rows, sealing
from millrace.aggregates.facts import Facts, minute
from millrace.aggregates.fold import Fold
from millrace.aggregates.heads import Compared, Head
from millrace.aggregates.registry import Aggregates
from millrace.aggregates.sealing import Sealed, Sealer, is_due
from millrace.core import clock
from millrace.core.table import Table
from millrace.eventstore.row import StoredEvent
from millrace.lake import raw_to_silver as transform_module
from millrace.reconcile.judge import Status
from millrace.reconcile.report import TILES_LOST, PassReport
from millrace.reconcile.tiles import DAMAGED, TileCheck
from tests.support.raw_files import RawFiles, again, event
from tests.support.sealed import Tiles, sealed, silver_of
from tests.support.shaky import Shaky, each_call
from tests.support.silver_runs import CONTRACTS, DAY, TRANSACTION, run
from tests.support.stores import MemoryDynamoDB

pytestmark = pytest.mark.integration
ORG = "org_acme"
FIRST = date.fromisoformat(DAY)
NEXT, THIRD = FIRST + timedelta(days=1), FIRST + timedelta(days=2)
BEFORE = (FIRST - timedelta(days=2)).isoformat()
NOW = clock.midnight(NEXT) + timedelta(hours=3)


@pytest.fixture(scope="module")
def aggregates(bundle: Path) -> Aggregates:
    return registry.load(bundle)


@pytest.fixture(scope="module")
def events() -> list[StoredEvent]:
    """Transactions of a day in few tiles, a part of them received a day later, few of them a week later."""
    rng = random.Random(5)
    made = []
    for number in range(120):
        one = event(TRANSACTION, ORG, DAY, rng, merchant=f"m{number % 7}", user_id=number % 11)
        at = f"{DAY}T{number % 3 + 11:02}:{number % 50:02}:00Z"
        platform = {**one.envelope["platform"], "receivedAt": at}
        one = StoredEvent(
            {**one.envelope, "timestamp": at, "platform": platform}, one.fingerprint, one.expires_at, ""
        )
        made.append(again(one, [1, 1, 1, 86_400, 9 * 86_400][number % 5]))
    return made


class World:
    """A tenant's silver and Analytics, and whoever seals."""

    def __init__(self, folder: Path, aggregates: Aggregates, stores: MemoryDynamoDB | None = None) -> None:
        self.folder, self.aggregates = folder, aggregates
        self.stores = stores or MemoryDynamoDB()
        self.analytics = Table(self.stores, "Analytics", attempts=1)
        self.sealer = Sealer(self.analytics, aggregates.contracts, ORG)
        self.of = aggregates.by_name["transactions_by_merchant"]

    @contextmanager
    def silver(self, events: Sequence[StoredEvent]) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[Any]]]:
        files = RawFiles(self.folder / f"lake-{len(events)}")
        files.put(ORG, DAY, events)
        parts = [
            part for part in run(files, self.aggregates.contracts)[ORG, DAY].parts if part.file is not None
        ]
        with silver_of(self.aggregates.contracts, self.of.events, files, parts) as opened:
            yield opened

    def heads(self) -> dict[tuple[str, str], Head]:
        return self.sealer.heads([self.of], [BEFORE, DAY])

    def seal(self, connection: duckdb.DuckDBPyConnection, source: str, cut: date) -> Sealed:
        now = clock.midnight(cut) + timedelta(hours=3)
        return self.sealer.seal(connection, self.of, DAY, source, cut, now, self.heads())

    def was_deployed_before(self) -> None:
        """A seal of the day before the day before, by which the stream counts the day."""
        key = rows.day_key(ORG, self.of, BEFORE)
        at = clock.utc_text(clock.midnight(FIRST) - timedelta(hours=20))
        numbers = {name: {"N": "1"} for name in ("spans", "blocks")}
        texts = {"cut": BEFORE, "generation": "g", "source": "s", "firstAt": at}
        row = {name: {"S": text} for name, text in texts.items()}
        self.analytics.put(
            {"metricKey": {"S": key}, "tileKey": {"S": "sealed"}, "whole": {"N": "1"}, **numbers, **row}
        )

    def counted(self, events: Iterable[StoredEvent]) -> list[dict[str, Any]]:
        """What the fold leaves of events."""
        facts, fold = (
            Facts([self.of], self.aggregates.contracts.of_ref),
            Fold([self.of], self.aggregates.types),
        )
        kinds, made = [measures.of(one) for one in self.of.measures], []
        by_minute: dict[str, list[Any]] = {}
        for one in events:
            by_minute.setdefault(minute(one.envelope["platform"]["receivedAt"]), []).append(facts.of(one))
        for at, several in by_minute.items():
            for part in fold.parts(several).values():
                for tile, by_key in part.tiles.items():
                    _, packed = blocks.pack({tile: by_key}, kinds)
                    for number, block in enumerate(packed.values()):
                        name = rows.part_sort(at[:10], tile, at[11:], number)
                        key = {
                            "metricKey": {"S": rows.day_key(ORG, self.of, rows.tile_day(tile))},
                            "tileKey": {"S": name},
                        }
                        made.append({**key, "part": {"B": block}, "blocks": {"N": str(len(packed))}})
        self.analytics.write_all(made)
        return made

    def tiles(self) -> Tiles:
        """What a reader of the seal finds, in stored form."""
        head, kinds = self.heads()[self.of.name, DAY], [measures.of(one) for one in self.of.measures]
        places = [(span, block) for span in range(head.layout.spans) for block in range(head.layout.blocks)]
        wanted = [
            {
                "metricKey": {"S": rows.day_key(ORG, self.of, DAY)},
                "tileKey": {"S": rows.sealed_sort(head.generation, *place)},
            }
            for place in places
        ]
        found: Tiles = {}
        for item in self.analytics.batch_get(wanted):
            blocks.merge(found, blocks.unpack(bytes(item["part"]["B"]), kinds), kinds)
        return {
            tile: {
                key: [kind.cut(state) for kind, state in zip(kinds, states, strict=True)]
                for key, states in by_key.items()
            }
            for tile, by_key in found.items()
        }


@pytest.fixture
def world(tmp_path: Path, aggregates: Aggregates, monkeypatch: pytest.MonkeyPatch) -> World:
    # Generated values keep no rule, and a row that breaks a check stays.
    monkeypatch.setattr(transform_module, "MOST_UNFIT", -1)
    return World(tmp_path, aggregates)


def test_a_day_is_sealed_up_to_its_cut_and_again_when_late_events_came(
    world: World, events: list[StoredEvent]
) -> None:
    name = (world.of.name, DAY)
    assert is_due(None, "a", NEXT)
    with world.silver(events) as (connection, sources):
        for cut in (NEXT, THIRD):
            first = world.seal(connection, "a", cut)
            wanted, late = sealed(
                world.of, connection, sources, f"received_at < TIMESTAMPTZ '{cut} 00:00:00+00'"
            )
            assert world.tiles() == wanted
            assert (first.tiles, first.late) == (len(wanted), sum(late.values()))
            # Whoever does it again writes the same.
            assert world.seal(connection, "a", cut) == first
            assert world.tiles() == wanted
            head = world.heads()[name]
            assert (head.cut, head.whole) == (cut.isoformat(), False)
            assert not is_due(head, "a", cut)
            assert is_due(head, "b", cut)
            assert not is_due(head, "b", cut - timedelta(days=1))
            assert is_due(head, "a", cut + timedelta(days=1))
        # Nine days later nothing is left to come, and what is too late is counted as that.
        end = FIRST + timedelta(days=11)
        done = world.seal(connection, "a", end)
        assert done.late == sum(1 for one in events if one.envelope["platform"]["receivedAt"] > "2026-11-29")
        head = world.heads()[name]
        assert head.whole
        assert not is_due(head, "a", end + timedelta(days=300))
    generations = {
        row["tileKey"]["S"].split("#")[1]
        for row in world.stores.scan(TableName="Analytics")["Items"]
        if "part" in row
    }
    assert len(generations) == 2


def test_what_the_stream_counted_is_compared_with_silver(world: World, events: list[StoredEvent]) -> None:
    with world.silver(events) as (connection, _):
        # Not known to have been counted all day.
        assert not world.seal(connection, "a", NEXT).compared.tiles
        world.was_deployed_before()
        parts = world.counted(events)
        again_ = Sealer(world.analytics, world.aggregates.contracts, ORG)
        heads = {key: head for key, head in world.heads().items() if key[1] == BEFORE}
        now = clock.midnight(NEXT) + timedelta(hours=3)
        sealed_ = again_.seal(connection, world.of, DAY, "a", NEXT, now, heads)
        keys = sum(map(len, world.tiles().values()))
        assert sealed_ == Sealed(len(world.tiles()), 0, Compared(keys, 0))
        # And from one cut to the next.
        assert world.seal(connection, "a", THIRD).compared.different == 0
        lost = next(row for row in parts if row["tileKey"]["S"].startswith(DAY))
        world.analytics.delete({name: lost[name] for name in ("metricKey", "tileKey")})
        found = again_.seal(connection, world.of, DAY, "a", NEXT, now, heads).compared
        assert found.different > 0
        # The keys are named, by the seal and by reconciliation, which finds them in its head.
        assert found.named
        assert world.heads()[world.of.name, DAY].compared == found
        (result,) = TileCheck(world.analytics, world.aggregates).run(ORG, DAY)
        assert (result.status, result.counts["tiles"]) == (Status.EXPLAINED, found.tiles)
        assert result.missing["tiles"] == found.different
        assert [one["eventId"] for one in result.differences] == list(found.named)
        # Sealed once more of the same it is known still.
        world.seal(connection, "a", NEXT)
        assert world.heads()[world.of.name, DAY].compared == found


def test_sealed_tiles_that_are_lost_are_found_and_sealed_again(
    world: World, events: list[StoredEvent]
) -> None:
    check, name = TileCheck(world.analytics, world.aggregates), (world.of.name, DAY)
    with world.silver(events) as (connection, _):
        world.seal(connection, "a", NEXT)
        wanted = world.tiles()
        assert check.run(ORG, DAY) == []
        table = world.stores.tables["Analytics"]
        del table[next(key for key in table if key[1].startswith("sealed#"))]
        (result,) = check.run(ORG, DAY)
        assert result.differences[0]["reasons"] == [DAMAGED]
        report = PassReport()
        report.add(ORG, DAY, [result])
        assert report.metrics()[TILES_LOST][0] == 1
        assert is_due(world.heads()[name], "a", NEXT)
        # Once is enough, until the next seal has mended it.
        assert check.run(ORG, DAY) == []
        world.seal(connection, "a", NEXT)
        assert world.tiles() == wanted
        assert check.run(ORG, DAY) == []


def test_nothing_is_compared_while_minutes_wait_for_the_fold(world: World, events: list[StoredEvent]) -> None:
    world.was_deployed_before()
    mark = {"metricKey": {"S": rows.mark_key(ORG)}, "tileKey": {"S": rows.mark_sort(ORG, f"{DAY}T23:59")}}
    with world.silver(events) as (connection, _):
        assert world.seal(connection, "a", NEXT).compared.different > 0
        world.analytics.put(mark)
        heads = {key: head for key, head in world.heads().items() if key[1] == BEFORE}
        assert not world.sealer.seal(connection, world.of, DAY, "a", NEXT, NOW, heads).compared.tiles


@pytest.mark.parametrize("metric", ["shop_conversion", "inventory"])
def test_what_depends_on_order_is_sealed_as_the_stream_counted_it(world: World, metric: str) -> None:
    world.of = world.aggregates.by_name[metric]
    rng, made = random.Random(8), []
    for number in range(150):
        contract = CONTRACTS[f"{rng.choice(world.of.events)}.v1"]
        more = {"productId": "p", "warehouseId": f"w{number % 2}"} if metric == "inventory" else {}
        one = event(contract, ORG, DAY, rng, **more)
        # Moments that several events share, received in another order, some of them on the next day.
        at, late = f"{DAY}T12:{rng.randrange(7):02}:00Z", rng.choice([0, 30, 90, 3600, 43_200])
        platform = {**one.envelope["platform"], "receivedAt": at}
        moved = {"timestamp": at, "platform": platform, "sessionId": f"s{number % 9}"}
        one = StoredEvent({**one.envelope, **moved}, one.fingerprint, one.expires_at, "")
        made.append(again(one, late))
    world.was_deployed_before()
    world.counted(rng.sample(made, len(made)))
    with world.silver(made) as (connection, sources):
        for cut in (NEXT, THIRD):
            done = world.seal(connection, "a", cut).compared
            assert done.tiles > 0
            assert done.different == 0
        assert world.tiles() == sealed(world.of, connection, sources)[0]


def test_whatever_call_of_a_seal_fails_the_next_one_ends_it(
    world: World,
    events: list[StoredEvent],
    tmp_path: Path,
    aggregates: Aggregates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The same of silver each time.
    counted: dict[str, blocks.Tiles] = {}
    real = sealing._tiles
    monkeypatch.setattr(
        sealing,
        "_tiles",
        lambda *how: counted[how[-1]] if how[-1] in counted else counted.setdefault(how[-1], real(*how)),
    )
    with world.silver(events) as (connection, _):

        def told(stores: Shaky) -> object:
            here = World(tmp_path, aggregates, stores)
            here.was_deployed_before()
            here.counted(events)
            for cut in (NEXT, THIRD):
                stores.retried(here.seal, connection, "a", cut, restart=lambda: None)
            return here.tiles(), here.heads()[here.of.name, DAY]

        each_call(told, least=12)
