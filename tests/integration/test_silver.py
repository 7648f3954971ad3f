"""Silver from raw objects in a folder: each value as the envelope had it, each row accounted for, no failure silent."""

import random
from decimal import Decimal

import duckdb
import pytest

from millrace.contracts import columns
from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry
from millrace.eventstore.row import StoredEvent
from tests.support.raw_files import BUCKET, RawFiles, again, event, winners
from tests.support.silver_runs import (
    CONTRACTS,
    DAY,
    NEXT,
    ORDER,
    TRANSACTION,
    comparable,
    expected,
    letters,
    rows_of,
    run,
)

pytestmark = pytest.mark.usefixtures("without_checks")


def minors(stored: StoredEvent, contract: Contract) -> StoredEvent:
    """As an older minor of the contract had it."""
    platform = {**stored.envelope["platform"], "contract": f"{contract.event_type}/{contract.major}.0.0"}
    return StoredEvent({**stored.envelope, "platform": platform}, stored.fingerprint, stored.expires_at, "")


@pytest.mark.parametrize(
    ("buckets", "orgs", "days"), [(1, ("org_acme", "org_zest"), (DAY, NEXT)), (3, ("org_acme",), (DAY,))]
)
def test_every_contract_comes_out_as_it_was_stored(
    files: RawFiles, registry: Registry, buckets: int, orgs: tuple[str, ...], days: tuple[str, ...]
) -> None:
    rng = random.Random(5)
    stored: dict[tuple[str, str], list[StoredEvent]] = {}
    for org in orgs:
        for day in days:
            events = [
                minors(made, contract) if rng.random() < 0.3 else made
                for contract in CONTRACTS.values()
                for made in (event(contract, org, day, rng) for _ in range(40))
            ]
            doubles = [again(one, rng.choice((0, 60, -60))) for one in rng.sample(events, len(events) // 33)]
            stored[(org, day)] = [*events, *doubles]
            rng.shuffle(stored[(org, day)])
            for part in range(4):
                files.put(org, day, stored[(org, day)][part::4])

    done = run(files, registry, buckets)

    assert not [failure for one in done.values() for failure in one.failures]
    assert letters(files) == []
    seen = 0
    for place, events in stored.items():
        kept = winners(events)
        for contract in CONTRACTS.values():
            parts = [p for p in done[place].parts if p.table == f"silver.{columns.table(contract)}"]
            found = [row for part in parts for row in rows_of(files, part)]
            wanted = {i: one for (kind, i), one in kept.items() if kind == contract.event_type}
            assert len(found) == len(wanted)
            for row in found:
                assert comparable(row, contract) == expected(wanted[row["event_id"]], contract)
            assert sum(part.rows_in for part in parts) == sum(
                e.event_type == contract.event_type for e in events
            )
            assert all(part.rows_in == part.rows + part.duplicates + part.dead for part in parts)
            assert all(part.size > 0 and (part.org, part.day) == place for part in parts)
            seen += len(found)
    assert seen == sum(len(winners(events)) for events in stored.values()) > 1_000 * len(orgs) * len(days)


def test_rows_are_in_the_order_of_time_and_the_files_are_zstd(files: RawFiles, registry: Registry) -> None:
    rng = random.Random(1)
    files.put("org_acme", DAY, [event(TRANSACTION, "org_acme", DAY, rng) for _ in range(500)])
    (one,) = run(files, registry).values()
    assert one.failures == []
    (part,) = one.parts
    times = [row["event_time"] for row in rows_of(files, part)]
    assert times == sorted(times)
    assert part.file is not None
    path = str(files.root) + part.file.removeprefix(f"s3://{BUCKET}")
    assert duckdb.sql(f"SELECT DISTINCT compression FROM parquet_metadata('{path}')").fetchall() == [
        ("ZSTD",)
    ]
    assert {check.check for check in part.checks} >= {
        "not_null(event_id)",
        "unique(event_id)",
        "accepted(amount_category)",
    }
    assert all(check.status == "pass" for check in part.checks if check.check.startswith("not_null"))


def test_the_first_received_wins_across_objects_and_ties_are_settled(
    files: RawFiles, registry: Registry
) -> None:
    rng = random.Random(2)
    first = event(TRANSACTION, "org_acme", DAY, rng, amount=1.5)
    late, early = again(first, 3600, amount=2.5), again(first, -1, amount=3.5)
    tied = StoredEvent(early.envelope, bytes(16), early.expires_at, "")
    files.put("org_acme", DAY, [first, late])
    files.put("org_acme", DAY, [early])
    files.put("org_acme", DAY, [tied])
    (one,) = run(files, registry).values()
    assert one.failures == []
    (part,) = one.parts
    assert (part.rows_in, part.rows, part.duplicates, part.dead) == (4, 1, 3, 0)
    assert rows_of(files, part)[0]["amount"] == Decimal("3.5000")


def test_an_id_of_two_types_is_two_events(files: RawFiles, registry: Registry) -> None:
    rng = random.Random(3)
    one, other = event(TRANSACTION, "org_acme", DAY, rng), event(ORDER, "org_acme", DAY, rng)
    other.envelope["eventId"] = one.event_id
    files.put("org_acme", DAY, [one, other])
    (done,) = run(files, registry).values()
    assert [(part.rows, part.duplicates) for part in done.parts] == [(1, 0), (1, 0)]
