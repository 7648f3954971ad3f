"""Raw rows and objects that cannot become silver: named row by row or day by day, and the other days are made."""

import json
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import duckdb
import pytest

from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry
from millrace.lake import duck, silver_sql
from millrace.lake.raw_to_silver import SilverTransform
from millrace.runs.documents import Unit
from tests.support.raw_files import BUCKET, RawFiles, again, event
from tests.support.silver_runs import (
    DAY,
    NEXT,
    ORDER,
    TRANSACTION,
    letters,
    rows_of,
    run,
)

pytestmark = pytest.mark.usefixtures("without_checks")


BAD: list[tuple[Contract, dict[str, Any], str]] = [
    (TRANSACTION, {"amount": "much"}, "amount: no decimal"),
    (TRANSACTION, {"amount": None}, "amount: absent"),
    (TRANSACTION, {"user_id": 3.5}, "user_id: no long"),
    (TRANSACTION, {"user_id": 2**63}, "user_id: no long"),
    (TRANSACTION, {"is_fraud": "maybe"}, "is_fraud: no boolean"),
    (TRANSACTION, {"timestamp": "2026-02-30T00:00:00Z"}, "timestamp: no timestamptz"),
    (TRANSACTION, {"timestamp": "2026-02-20T00:00:00"}, "timestamp: no timestamptz"),
    (TRANSACTION, {"timestamp": "9999-12-31T23:59:59-05:00"}, "timestamp: no timestamptz"),
    (TRANSACTION, {"timestamp": "0001-01-01T00:00:00+05:00"}, "timestamp: no timestamptz"),
    (TRANSACTION, {"timestamp": "10000-01-01T00:00:00Z"}, "timestamp: no timestamptz"),
    (ORDER, {"items": "none"}, "items: no array"),
    (ORDER, {"items": {"productId": "p"}}, "items: no array"),
    (ORDER, {"items": [3]}, "items: no list"),
    (ORDER, {"items": [None]}, "items: no list"),
    (ORDER, {"items": [{"productId": "p", "quantity": 1, "price": "free"}]}, "items: no list"),
]


@pytest.mark.parametrize(
    ("contract", "change", "reason"), BAD, ids=[f"{r}-{n}" for n, (_, _, r) in enumerate(BAD)]
)
def test_what_cannot_be_typed_is_dead_with_its_reason(
    files: RawFiles, registry: Registry, contract: Contract, change: dict[str, Any], reason: str
) -> None:
    rng = random.Random(4)
    good, bad = event(contract, "org_acme", DAY, rng), event(contract, "org_acme", DAY, rng, **change)
    files.put("org_acme", DAY, [good, bad])
    (one,) = run(files, registry).values()
    assert one.failures == []
    (part,) = one.parts
    assert (part.rows_in, part.rows, part.dead) == (2, 1, 1)
    assert [row["event_id"] for row in rows_of(files, part)] == [good.event_id]
    (letter,) = letters(files)
    assert letter["reason"].startswith(reason)
    assert (letter["event_id"], letter["fingerprint"]) == (bad.event_id, bad.fingerprint.hex().upper())
    assert json.loads(letter["payload"]) == bad.envelope["data"]["payload"]


def test_an_object_of_metadata_that_is_a_text_is_dead(files: RawFiles, registry: Registry) -> None:
    rng = random.Random(6)
    bad = event(ORDER, "org_acme", DAY, rng)
    bad.envelope["data"]["metadata"] = {"shippingAddress": "Lisbon"}
    files.put("org_acme", DAY, [bad])
    (one,) = run(files, registry).values()
    assert one.failures == []
    (part,) = one.parts
    assert (part.rows, part.dead, part.file) == (0, 1, None)
    assert letters(files)[0]["reason"] == "meta_shipping_address: no object"


def test_what_no_contract_describes_is_counted_kept_and_named(files: RawFiles, registry: Registry) -> None:
    rng = random.Random(7)
    known, gone, future = (event(TRANSACTION, "org_acme", DAY, rng) for _ in range(3))
    gone.envelope["platform"]["contract"] = "thing.happened/1.0.0"
    future.envelope["platform"]["contract"] = "transaction.created/7.0.0"
    files.put("org_acme", DAY, [known, gone, future])
    (done,) = run(files, registry).values()
    assert [part.rows for part in done.parts] == [1]
    assert [(part.table, part.rows_in, part.dead) for part in done.unread] == [
        ("thing.happened/1.0.0", 1, 1),
        ("transaction.created/7.0.0", 1, 1),
    ]
    assert Counter(letter["reason"] for letter in letters(files)) == {"unknown_contract": 2}


def _corrupt(files: RawFiles, key: str) -> None:
    path = files.root / key
    held = bytearray(path.read_bytes())
    held[200 : len(held) // 2] = bytes(len(held) // 2 - 200)
    path.write_bytes(bytes(held))


def _cut(files: RawFiles, key: str) -> None:
    path = files.root / key
    path.write_bytes(path.read_bytes()[:-9])


def _remove(files: RawFiles, key: str) -> None:
    (files.root / key).unlink()


@pytest.mark.parametrize("harm", [_corrupt, _cut, _remove])
def test_a_harmed_object_fails_its_day_by_name_and_no_other(
    files: RawFiles, registry: Registry, harm: Any
) -> None:
    rng = random.Random(8)
    for day in (DAY, NEXT):
        for _ in range(3):
            files.put("org_acme", day, [event(TRANSACTION, "org_acme", day, rng) for _ in range(50)])
    harmed = files.objects[("org_acme", DAY)][1].key
    harm(files, harmed)
    done = run(files, registry)
    assert [part.rows for part in done[("org_acme", NEXT)].parts] == [150]
    (failure,) = done[("org_acme", DAY)].failures
    assert (failure.org, failure.day) == ("org_acme", DAY)
    assert harmed in failure.error
    assert done[("org_acme", DAY)].parts == []


STRANGERS = [("org_zest", DAY, "1 rows of other tenants"), ("org_acme", NEXT, "1 rows of other days")]


@pytest.mark.parametrize(("org", "day", "message"), STRANGERS)
def test_a_row_of_another_tenant_or_day_fails_the_day(
    files: RawFiles, registry: Registry, org: str, day: str, message: str
) -> None:
    rng = random.Random(9)
    files.put("org_acme", DAY, [event(TRANSACTION, "org_acme", DAY, rng)])
    key = files.put(
        "org_acme", DAY, [event(TRANSACTION, "org_acme", DAY, rng), event(TRANSACTION, org, day, rng)]
    )
    (done,) = run(files, registry).values()
    assert done.parts == []
    assert message in done.failures[0].error
    assert key in done.failures[0].error


def test_an_object_with_less_than_its_manifest_fails_the_day(files: RawFiles, registry: Registry) -> None:
    rng = random.Random(10)
    rows = [event(TRANSACTION, "org_acme", DAY, rng) for _ in range(5)]
    files.put("org_acme", DAY, rows, name="same")
    files.put("org_acme", DAY, rows[:3], name="same")
    files.objects[("org_acme", DAY)].pop()
    (done,) = run(files, registry).values()
    assert "has 3 rows, its manifest 5" in done.failures[0].error


@pytest.mark.parametrize("buckets", [1, 3])
def test_an_id_in_two_spellings_is_one_event(files: RawFiles, registry: Registry, buckets: int) -> None:
    """Where a type has no row in Events, this is the first place that sees the second of it."""
    sent = event(ORDER, "org_acme", DAY, random.Random(13))
    shouted = again(sent, 1)
    shouted.envelope["eventId"] = sent.event_id.upper()
    assert shouted.event_id != sent.event_id
    files.put("org_acme", DAY, [sent])
    files.put("org_acme", DAY, [shouted])
    (done,) = run(files, registry, buckets=buckets).values()
    assert sum(part.rows for part in done.parts) == sum(part.duplicates for part in done.parts) == 1


def test_a_second_run_writes_the_same_rows(files: RawFiles, registry: Registry) -> None:
    rng = random.Random(11)
    files.put("org_acme", DAY, [event(ORDER, "org_acme", DAY, rng) for _ in range(100)])
    first, second = (run(files, registry)[("org_acme", DAY)].parts[0] for _ in range(2))
    assert replace(first, file=None, size=0) == replace(second, file=None, size=0)
    one, other = (
        sorted(rows_of(files, part), key=lambda row: str(row["event_id"])) for part in (first, second)
    )
    assert one == other


def test_a_row_over_which_the_engine_fails_is_dead_and_the_day_lands(
    files: RawFiles, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = silver_sql.typed

    def odd(contract: Contract, source: str) -> str:
        fails = "CASE WHEN amount IN (7777, 8888) THEN error('no ' || amount::INTEGER) ELSE 0 END"
        return f"SELECT * EXCLUDE (odd) FROM (SELECT *, {fails} AS odd FROM ({typed(contract, source)})) WHERE odd = 0"

    monkeypatch.setattr(silver_sql, "typed", odd)
    rng = random.Random(14)
    events = [event(TRANSACTION, "org_acme", DAY, rng, amount=float(n)) for n in range(200)]
    bad = [event(TRANSACTION, "org_acme", DAY, rng, amount=amount) for amount in (7777.0, 8888.0, "much")]
    files.put("org_acme", DAY, [*events[:90], bad[0], again(events[0], 60)])
    files.put("org_acme", DAY, [*events[90:], *bad[1:]])
    (one,) = run(files, registry).values()
    assert one.failures == []
    (part,) = one.parts
    assert (part.rows_in, part.rows, part.duplicates, part.dead) == (204, 200, 1, 3)
    assert {row["event_id"] for row in rows_of(files, part)} == {e.event_id for e in events}
    told = {letter["event_id"]: letter["reason"] for letter in letters(files)}
    assert set(told) == {e.event_id for e in bad}
    assert "no 7777" in told[bad[0].event_id]
    assert "no 8888" in told[bad[1].event_id]
    assert told[bad[2].event_id] == "amount: no decimal"


def test_a_row_that_breaks_a_blocking_check_is_dead_and_the_day_lands(
    files: RawFiles, registry: Registry
) -> None:
    """Intake has let it in, by an older contract or another reading of it: one event must not stop its day."""
    rng = random.Random(16)
    good = [event(TRANSACTION, "org_acme", DAY, rng) for _ in range(20)]
    bad = [event(TRANSACTION, "org_acme", DAY, rng, amount=-1.0) for _ in range(2)]
    files.put("org_acme", DAY, [*good, *bad])
    (one,) = run(files, registry).values()
    assert one.failures == []
    (part,) = one.parts
    assert (part.rows_in, part.rows, part.dead) == (22, 20, 2)
    assert {row["event_id"] for row in rows_of(files, part)} == {e.event_id for e in good}
    assert {(letter["event_id"], letter["reason"]) for letter in letters(files)} == {
        (e.event_id, "breaks range(amount)") for e in bad
    }
    (told,) = [check for check in part.checks if check.check == "range(amount)"]
    assert (told.status, told.failed, told.rows) == ("warn", 2, 22)


def test_many_rows_that_break_a_check_leave_the_last_good_ones(files: RawFiles, registry: Registry) -> None:
    rng = random.Random(17)
    files.put("org_acme", DAY, [event(TRANSACTION, "org_acme", DAY, rng, amount=-1.0) for _ in range(101)])
    (one,) = run(files, registry).values()
    assert [check.status for check in one.parts[0].checks if check.check == "range(amount)"] == ["fail"]


def test_where_every_row_fails_the_day_is_left_out(
    files: RawFiles, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silver_sql, "typed", lambda _, source: f"SELECT error('odd') AS x FROM {source}")
    rng = random.Random(15)
    files.put("org_acme", DAY, [event(TRANSACTION, "org_acme", DAY, rng) for _ in range(150)])
    (one,) = run(files, registry).values()
    assert one.parts == []
    assert "more than 100 rows cannot be typed" in one.failures[0].error


def test_what_does_not_fit_into_the_worker_is_named_and_the_next_day_lands(
    files: RawFiles, registry: Registry
) -> None:
    rng = random.Random(12)
    # One object whose rows need more than the worker has, and may not spill.
    long = "x" * 100_000
    files.put(
        "org_acme", DAY, [event(TRANSACTION, "org_acme", DAY, rng, note=f"{n}{long}") for n in range(400)]
    )
    files.put("org_acme", NEXT, [event(TRANSACTION, "org_acme", NEXT, rng)])

    def connect() -> duckdb.DuckDBPyConnection:
        return duck.connect(memory_mb=24, threads=1, temp_dir=files.root.parent, temp_limit_mb=1)

    made = SilverTransform(connect, registry, BUCKET, root=str(files.root))
    first, second = (made.unit("run-1", Unit(day.org, day.day, 0, 1), day) for day in files.days())
    assert first.parts == []
    assert "Out of Memory" in first.failures[0].error
    assert [part.rows for part in second.parts] == [1]
