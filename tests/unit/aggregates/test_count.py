"""What a batch leaves: facts by tenant and minute of receipt, then the marks, however often it is delivered."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.aggregates import rows
from millrace.aggregates.count import EventCounter, fact_rows
from millrace.aggregates.facts import MOST_BYTES, Fact, Facts, unpack
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from tests.support import events
from tests.support.aggregates import OTHER_ORG, aggregates, deliveries, delivery
from tests.support.stores import MemoryDynamoDB

AT = datetime(2026, 11, 21, 6, 0, 30, tzinfo=UTC)


def counter(stores: MemoryDynamoDB, now: datetime = AT, too_old: list[int] | None = None) -> EventCounter:
    found, tokens = aggregates(), iter(range(1000))
    return EventCounter(
        Table(stores, "Analytics", attempts=1),
        Codec(found.contracts.dictionary),
        Facts(list(found), found.contracts.deployed),
        lambda: str(next(tokens)),
        too_old=(too_old if too_old is not None else []).append,
        now=lambda: now,
    )


def lying(stores: MemoryDynamoDB, kind: str) -> dict[tuple[str, ...], dict[str, dict[str, Any]]]:
    return {key: row for key, row in stores.tables["Analytics"].items() if key[0].split("#")[1] == kind}


@pytest.fixture
def stores(bundle: Path) -> MemoryDynamoDB:
    return MemoryDynamoDB()


def test_a_batch_leaves_a_row_for_each_tenant_and_minute(stores: MemoryDynamoDB) -> None:
    at = AT.isoformat()
    batch = [
        *deliveries([events.transaction(timestamp=at) for _ in range(3)], AT),
        delivery(events.transaction(timestamp=at), AT + timedelta(minutes=1)),
        delivery(events.transaction(timestamp=at), AT, OTHER_ORG),
        # No aggregate counts it.
        delivery(events.order(timestamp=at), AT),
    ]
    counter(stores).count(batch)
    found = lying(stores, rows.FACTS)
    assert sorted(
        (key[0], key[1][:6], len(list(unpack(row["facts"]["B"])))) for key, row in found.items()
    ) == [
        ("org_acme#facts#2026-11-21", "06:00#", 3),
        ("org_acme#facts#2026-11-21", "06:01#", 1),
        ("org_globex#facts#2026-11-21", "06:00#", 1),
    ]
    assert sorted(key[1] for key in lying(stores, rows.UNFOLDED)) == [
        "org_acme#2026-11-21T06:00",
        "org_acme#2026-11-21T06:01",
        "org_globex#2026-11-21T06:00",
    ]
    packed = found[min(found)]["facts"]["B"]
    assert [one.values["amount"] for one in unpack(packed)] == [571_600] * 3


def test_a_batch_that_comes_again_leaves_the_same_facts_and_a_new_mark(stores: MemoryDynamoDB) -> None:
    batch = deliveries([events.transaction(timestamp=AT.isoformat()) for _ in range(3)], AT)
    counting = counter(stores)
    counting.count(batch)
    facts, marks = dict(lying(stores, rows.FACTS)), dict(lying(stores, rows.UNFOLDED))
    counting.count(batch)
    assert lying(stores, rows.FACTS) == facts
    again = lying(stores, rows.UNFOLDED)
    assert again.keys() == marks.keys()
    assert again != marks
    # Also an hour later, by another copy.
    counter(stores, AT + timedelta(hours=1)).count(batch)
    assert lying(stores, rows.FACTS).keys() == facts.keys()


def test_no_minute_is_marked_whose_facts_are_not_there(stores: MemoryDynamoDB) -> None:
    stores.failing["batch_write_item"] = 1
    with pytest.raises(RetryableError):
        counter(stores).count([delivery(events.transaction(timestamp=AT.isoformat()), AT)])
    assert stores.tables["Analytics"] == {}


def test_marks_are_written_behind_the_facts(stores: MemoryDynamoDB, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    wrote = lambda _table, _old, new: order.append(new["metricKey"]["S"].split("#")[1])  # noqa: E731
    monkeypatch.setattr(stores, "changed", wrote)
    one = events.transaction(timestamp=AT.isoformat())
    counter(stores).count([delivery(one, AT), delivery(one, AT, OTHER_ORG)])
    assert order == [rows.FACTS, rows.FACTS, rows.UNFOLDED, rows.UNFOLDED]


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        (12, 120_000),
        (12.0, 120_000),
        (0.07, 700),
        (57.16, 571_600),
        (999_999_999_999.9999, 9_999_999_999_999_999),
    ],
)
def test_decimals_are_whole_ten_thousandths(stores: MemoryDynamoDB, amount: float, units: int) -> None:
    made = events.transaction(timestamp=AT.isoformat(), payload={"amount": amount})
    counter(stores).count([delivery(made, AT)])
    (row,) = lying(stores, rows.FACTS).values()
    assert [one.values["amount"] for one in unpack(row["facts"]["B"])] == [units]


def test_what_was_received_days_ago_is_counted_by_the_seal(stores: MemoryDynamoDB) -> None:
    too_old: list[int] = []
    batch = [delivery(events.transaction(timestamp=AT.isoformat()), AT)] * 2
    counter(stores, AT + rows.TAKEN + timedelta(seconds=1), too_old).count(batch)
    assert stores.tables["Analytics"] == {}
    assert too_old == [2]
    counter(stores, AT + rows.TAKEN).count(batch)
    assert len(stores.tables["Analytics"]) == 2


def test_a_row_that_is_no_event_is_poison(stores: MemoryDynamoDB) -> None:
    broken = delivery(events.transaction(timestamp=AT.isoformat()), AT)
    with pytest.raises(PermanentError):
        counter(stores).count([type(broken)({**broken.item, "body": {"B": b"?"}}, "table", "1", AT, {})])


def test_facts_that_fill_more_than_a_row_are_split(bundle: Path) -> None:
    facts = [
        Fact(number.to_bytes(16, "big"), "a", 0, 0, {"text": f"{number:x}" + noise(number)})
        for number in range(400)
    ]
    made = list(fact_rows("org_acme", "2026-11-21T06:00", facts, "now"))
    assert len(made) > 1
    assert len({row["tileKey"]["S"] for row in made}) == len(made)
    assert all(len(row["facts"]["B"]) <= MOST_BYTES for row in made)
    assert sorted(one.id for row in made for one in unpack(row["facts"]["B"])) == [one.id for one in facts]


def noise(number: int) -> str:
    """Text that does not compress."""
    return random.Random(number).randbytes(1000).hex()
