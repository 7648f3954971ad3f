"""Each event gets its own answer, whatever its neighbours and the stores do."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from millrace.contracts import registry
from millrace.core import limits
from millrace.core.errors import RetryableError
from millrace.core.table import Item
from millrace.eventstore.append import Appender, AppendResult, compare
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from millrace.intake import answer
from millrace.intake.accept import Intake
from millrace.intake.enrich import Origin
from millrace.intake.parse import Candidate, parse_one
from millrace.quarantine.entry import QuarantineEntry
from tests.support import events
from tests.support.people import EverybodyIsKnown, person

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


class Table:
    """The Events table's one rule: the first write of a key wins."""

    def __init__(self) -> None:
        self.rows: dict[str, Item] = {}
        self.unavailable: set[str] = set()
        self.puts = 0

    def append(self, items: Sequence[Item]) -> list[AppendResult]:
        keys = [item["eventId"]["S"] for item in items]
        assert len(set(keys)) == len(keys), "two writes of one id at once: which is first would be chance"
        return [self._put(item) for item in items]

    def _put(self, item: Item) -> AppendResult:
        self.puts += 1
        key = item["eventId"]["S"]
        if key in self.unavailable:
            return AppendResult.UNAVAILABLE
        stored = self.rows.setdefault(key, item)
        return AppendResult.ACCEPTED if stored is item else compare(stored, item)


class Kept:
    """A quarantine in memory that can be made to fail."""

    def __init__(self) -> None:
        self.entries: list[QuarantineEntry] = []
        self.broken = False

    def keep(
        self, org: str, request_id: str, received_at: Any, source: str, refused: list[QuarantineEntry]
    ) -> None:
        if self.broken:
            raise RetryableError("no lake")
        self.entries += refused


class Keys:
    broken = False

    def key(self, org: str) -> bytes:
        if self.broken:
            raise RetryableError("no KMS")
        return org.encode().ljust(32, b"-")


class World:
    def __init__(self) -> None:
        self.table, self.kept, self.keys = Table(), Kept(), Keys()
        self.registry = registry.load()
        self.intake = Intake(
            self.registry,
            Appender({"table": self.table, "none": self.table}),
            self.kept,
            self.keys,
            EverybodyIsKnown(),
        )
        self.requests = 0

    def send(self, *sent: Any, org: str = "org_acme", request: str | None = None, at: datetime = NOW) -> Any:
        self.requests += 1
        origin = Origin(org, "shop", request or f"request-{self.requests}", at)
        return self._answer([Candidate(index, event) for index, event in enumerate(sent)], origin)

    def post(self, event: Any) -> Any:
        """As bytes, through the parser."""
        origin = Origin("org_acme", "shop", "posted", NOW)
        return self._answer([parse_one(0, json.dumps(event).encode())], origin)

    def _answer(self, found: list[Candidate], origin: Origin) -> Any:
        results = self.intake.accept(found, origin)
        return {**answer.body(results), "status": int(answer.status(results))}


@pytest.fixture
def world(bundle: Path) -> World:
    return World()


def order(**changes: Any) -> dict[str, Any]:
    return events.order(**{"timestamp": "2026-11-21T05:59:00Z", **changes})


def statuses(answered: Any) -> list[str]:
    return [result["status"] for result in answered["results"]]


def codes(answered: Any, index: int = 0) -> list[tuple[str, str]]:
    return [(error["pointer"], error["code"]) for error in answered["results"][index]["errors"]]


def test_the_counts_and_the_status_sum_the_results_up(world: World) -> None:
    good, bad = order(), order(payload={"totalAmount": -3})
    answered = world.send(good, good, bad, order())
    assert statuses(answered) == ["accepted", "duplicate", "rejected", "accepted"]
    assert {name: answered[name] for name in answered if name != "results"} == {
        "accepted": 2,
        "duplicates": 1,
        "conflicts": 0,
        "rejected": 1,
        "unavailable": 0,
        "status": 207,
    }
    assert world.send(good)["status"] == 202
    assert world.send(bad)["status"] == 400


def test_a_retry_is_a_duplicate_and_another_payload_a_conflict_kept(world: World) -> None:
    event = order()
    other = {**event, "correlationId": "another"}
    assert statuses(world.send(event)) == ["accepted"]
    assert statuses(world.send(dict(reversed(event.items())))) == ["duplicate"], "key order says nothing"
    answered = world.send(other)
    assert statuses(answered) == ["conflict"]
    assert answered["status"] == 400
    assert codes(answered) == [("/eventId", "conflict")]
    assert [entry.event_id for entry in world.kept.entries] == [event["eventId"]]
    assert answered["results"][0]["quarantineId"] == world.kept.entries[0].quarantine_id


def test_a_put_that_the_sdk_repeats_is_still_accepted(world: World) -> None:
    event = order()
    assert statuses(world.send(event, request="r-1")) == ["accepted"]
    assert statuses(world.send(event, request="r-1")) == ["accepted"]
    assert statuses(world.send(event, request="r-2")) == ["duplicate"]


def test_ids_are_one_whatever_their_case_and_each_tenants_own(world: World) -> None:
    event = order()
    upper = {**event, "eventId": event["eventId"].upper()}
    assert statuses(world.send(event, upper)) == ["accepted", "duplicate"]
    assert statuses(world.send({**upper, "correlationId": "x"})) == ["conflict"]
    assert statuses(world.send(event, org="org_globex")) == ["accepted"]


def test_copies_in_one_request_follow_the_first(world: World) -> None:
    event, other = order(), order()
    clash = {**event, "correlationId": "x"}
    assert statuses(world.send(event, clash, event, other, clash)) == [
        "accepted",
        "conflict",
        "duplicate",
        "accepted",
        "conflict",
    ]
    assert world.table.puts == 2


def test_copies_that_meet_a_stored_row_are_judged_by_it(world: World) -> None:
    event = order()
    clash, third = {**event, "correlationId": "x"}, {**event, "correlationId": "y"}
    world.send(event)
    assert statuses(world.send(clash, event, clash, third, event)) == [
        "conflict",
        "duplicate",
        "conflict",
        "conflict",
        "duplicate",
    ]


def test_an_invalid_first_copy_does_not_drag_the_valid_one_along(world: World) -> None:
    event = order()
    broken = {**event, "data": {"payload": {}}}
    assert statuses(world.send(broken, event)) == ["rejected", "accepted"]


def test_unavailable_stores_lose_nothing_and_say_so(world: World) -> None:
    event, fine = order(), order()
    world.table.unavailable.add(f"org_acme#{event['eventId']}")
    answered = world.send(event, fine, event)
    assert statuses(answered) == ["unavailable", "accepted", "unavailable"]
    assert answered["status"] == 207
    world.table.unavailable.clear()
    assert statuses(world.send(event, fine, event)) == ["accepted", "duplicate", "duplicate"]

    world.kept.broken = True
    assert statuses(world.send(order(payload={"totalAmount": -1}), fine)) == ["unavailable", "duplicate"]
    world.keys.broken = True
    answered = world.send(order(), {"not": "an event"})
    assert statuses(answered) == ["unavailable", "unavailable"]
    assert answered["status"] == 503


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"eventType": "no.such.type"}, ("/eventType", "unknown_type")),
        ({"version": "9"}, ("/version", "unknown_version")),
        ({"version": "1.99"}, ("/version", "unknown_version")),
        ({"orgId": "org_globex"}, ("/orgId", "unknown_field")),
        ({"platform": {"orgId": "org_globex"}}, ("/platform", "unknown_field")),
        ({"eventId": "3f2b8c1e-5d74-1a6b-9e0f-7c1d2a3b4c5d"}, ("/eventId", "format")),
        ({"userId": "usr_other"}, ("/userId", "rule")),
        ({"timestamp": "2026-11-21T06:15:00.001Z"}, ("/timestamp", "timestamp_range")),
        ({"timestamp": "1970-01-01T00:00:00Z"}, ("/timestamp", "timestamp_range")),
        ({"timestamp": "2036-11-21T06:00:00Z"}, ("/timestamp", "timestamp_range")),
        ({"timestamp": "9999-12-31T23:59:59-14:00"}, ("/timestamp", "timestamp_range")),
        ({"timestamp": "1000-01-01T00:00:00+23:59"}, ("/timestamp", "timestamp_range")),
        ({"timestamp": "2026-11-21T06:00:00"}, ("/timestamp", "format")),
        ({"timestamp": "2026-06-30T23:59:60Z"}, ("/timestamp", "format")),
        ({"eventType": 7}, ("/eventType", "type")),
        ({"data": {"payload": {"a": "x" * limits.BYTES_PER_EVENT}}}, ("", "too_large")),
        ({"data": {"payload": {"a": [[]]}, "metadata": 7}}, ("/data/metadata", "type")),
    ],
)
def test_what_is_wrong_is_named(world: World, change: dict[str, Any], error: tuple[str, str]) -> None:
    answered = world.send({**order(), **change})
    assert statuses(answered) == ["rejected"]
    assert error in codes(answered)
    assert world.table.rows == {}
    assert len(world.kept.entries) == 1


@pytest.mark.parametrize("ago", [timedelta(minutes=-15), timedelta(), timedelta(days=89)])
def test_the_accepted_range_of_timestamps(world: World, ago: timedelta) -> None:
    assert statuses(world.send(order(timestamp=(NOW - ago).isoformat()))) == ["accepted"]
    over = NOW - ago + (timedelta(milliseconds=1) if ago < timedelta() else timedelta(milliseconds=-1))
    if ago:
        assert statuses(world.send(order(timestamp=over.isoformat()))) == ["rejected"]


def test_an_event_may_have_every_byte_up_to_the_limit_and_none_beyond(world: World) -> None:
    event = order()
    event["data"]["payload"]["note"] = ""
    room = limits.BYTES_PER_EVENT - len(orjson.dumps(event))
    event["data"]["payload"]["note"] = "x" * room
    assert statuses(world.send(event)) == ["accepted"]
    event["data"]["payload"]["note"] += "x"
    assert codes(world.send(event)) == [("", "too_large")]


def test_an_id_that_comes_after_its_row_has_gone_is_too_old(world: World) -> None:
    event = order()
    world.send(event)
    (row,) = world.table.rows.values()
    gone = datetime.fromtimestamp(int(row["expiresAt"]["N"]), UTC)
    world.table.rows.clear()
    assert codes(world.send(event, at=gone)) == [("/timestamp", "timestamp_range")]


def test_too_deep_is_answered_and_kept(world: World) -> None:
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    event = {**order(), "data": {"payload": {"a": deep}}}
    answered = world.send(event, order())
    assert statuses(answered) == ["rejected", "accepted"]
    assert codes(answered) == [("", "malformed")]
    assert json.loads(world.kept.entries[0].raw) == event


def test_names_that_a_client_made_up_are_cut_in_answers(world: World) -> None:
    answered = world.send({**order(), **{"~" * 13_000 + str(number): 1 for number in range(18)}})
    assert statuses(answered) == ["rejected"]
    assert max(len(pointer) for pointer, _ in codes(answered)) <= 256


def test_the_stored_row_holds_what_was_sent(world: World) -> None:
    event = order()
    world.send(event)
    (row,) = world.table.rows.values()
    stored = from_item(row, Codec(world.registry.dictionary))
    number = str(person("org_acme", "user:usr_4711").subject)
    payload = {**event["data"]["payload"], "userId": number}
    assert {name: stored.envelope[name] for name in event} == {
        **event,
        "data": {**event["data"], "payload": payload},
    }
    assert stored.envelope["userId"] == number
    assert row["eventId"]["S"] == f"org_acme#{event['eventId']}"
    assert row["typeKey"]["S"] == "org_acme#order.created#0"
    assert row["entityKey"]["S"] == f"org_acme#order#{event['data']['payload']['orderId']}"
    assert row["sortKey"]["S"] == f"2026-11-21T05:59:00.000000Z#{event['eventId']}"
    assert stored.expires_at == int((NOW + timedelta(days=91)).timestamp())


def test_no_event_is_stranger_than_its_answer(world: World) -> None:
    rng = random.Random(3)
    strange: list[Any] = [
        None,
        0,
        "",
        [],
        {},
        [[]],
        True,
        1.5,
        {"eventId": None},
        {"eventType": []},
        {"data": 1},
    ]
    for _ in range(500):
        event = order()
        name = rng.choice([*event, "version", "userId", "region"])
        world.send({**event, name: rng.choice(strange)}, rng.choice(strange))
    assert len(world.kept.entries) >= 500


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        ({"metadata": {"shippingAddress": {"Jane Roe 5 Main St": 10**20}}}, "/data/metadata/shippingAddress"),
        (
            {"metadata": {"shippingAddress": {"street": {"Jane Roe": 10**20}}}},
            "/data/metadata/shippingAddress/street",
        ),
        ({"payload": {"extra": [{"plain": 10**20}]}}, "/data/payload/extra/0/plain"),
    ],
)
def test_where_a_long_integer_stands_tells_no_protected_name(world: World, at: Any, shown: str) -> None:
    event = order()
    for part, more in at.items():
        event["data"].setdefault(part, {}).update(more)
    assert codes(world.post(event)) == [(shown, "malformed")]


def test_without_a_contract_no_name_within_the_data_is_told(world: World) -> None:
    event = order(eventType="un.known")
    event["data"]["payload"] = {"Jane Roe": 10**20}
    assert codes(world.post(event)) == [("/data", "malformed")]
