"""One platform under a history: intake, archive, projection and counter themselves, over stores in memory, with a clock."""

import base64
import json
import random
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from millrace.aggregates import registry as aggregates
from millrace.aggregates.count import EventCounter
from millrace.aggregates.facts import Facts
from millrace.archive.archive import Archive
from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.consumer import Consumer
from millrace.core.errors import RetryableError
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.projection import Projection
from millrace.intake.accept import Intake
from millrace.intake.enrich import Origin
from millrace.intake.parse import candidates, parse_one
from millrace.quarantine.entry import QuarantineEntry
from tests.support.histories.stores import Row, Stores
from tests.support.people import EverybodyIsKnown

ORGS = ("org_acme", "org_globex")
START = datetime(2026, 11, 20, 9, tzinfo=UTC)
BATCH = 200
ATTEMPTS = 40
# Beyond every contract's retention of 90 days: what was accepted before is gone.
AGES = timedelta(days=100)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a client sends: which id (a small number), which of its stories, and when it says that it happened."""

    org: str
    number: int
    story: int
    at: datetime

    @property
    def event_id(self) -> str:
        return str(uuid.UUID(int=self.number + 1, version=4))

    def body(self) -> dict[str, Any]:
        """An event of one of three types by its id; story 0 is the first that is told, a negative one is refused."""
        at = self.at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        envelope = {"eventId": self.event_id, "timestamp": at}
        if self.number % 3 == 0:
            payload: dict[str, Any] = {
                "orderId": f"ord_{self.number}",
                "userId": f"usr_{self.number % 97}",
                "items": [{"productId": "sku", "quantity": 1 + abs(self.story), "price": 10}],
                "totalAmount": 10 * (1 + self.story) if self.story >= 0 else self.story,
                "currency": "EUR",
            }
            kind = "order.created"
        elif self.number % 3 == 1:
            payload = {
                "transaction_id": f"txn_{self.number}",
                "user_id": self.number % 89,
                "amount": 5 + self.story if self.story >= 0 else "five",
                "merchant": "terminal_3156",
                "timestamp": at,
                "is_fraud": False,
                "payment_method": "credit_card",
                "location": "Lisbon, Portugal",
                "device_id": "dev_7f3a",
            }
            kind = "transaction.created"
        else:
            payload = {"serviceName": "checkout", "status": "healthy", "errorCount": 0}
            payload["responseTime"] = 10 + self.story if self.story >= 0 else "slow"
            kind = "system.health.check"
        return {**envelope, "eventType": kind, "data": {"payload": payload, "metadata": {}}}


@dataclass(frozen=True, slots=True)
class Answered:
    """One delivery to intake and its answer. `life` counts how often rows had expired by then."""

    sent: Sent
    outcome: str
    codes: tuple[str, ...]
    life: int


@dataclass
class _Quarantine:
    kept: list[tuple[str, QuarantineEntry]] = field(default_factory=list)

    def keep(
        self, org: str, request_id: str, received_at: Any, source: str, refused: list[QuarantineEntry]
    ) -> None:
        self.kept += [(org, entry) for entry in refused]


class _TenantKeys:
    def key(self, org: str) -> bytes:
        return org.encode().ljust(32, b"k")


class _DeadLetters:
    def __init__(self) -> None:
        self.reasons: list[str] = []

    def put(self, record: Any, place: str, arrived_at: datetime, reason: str) -> None:
        self.reasons.append(f"{place}: {reason}")


class World:
    """Send, let time pass, deliver, replay; then `check` it."""

    def __init__(self, registry: Registry, seed: int = 0) -> None:
        self.now, self.life = START, 0
        self.stores, self.quarantine, self.dead = Stores(), _Quarantine(), _DeadLetters()
        self.answers: list[Answered] = []
        self.replays: list[Answered] = []
        self.rng = random.Random(seed)
        self._clients = ThreadPoolExecutor(2, thread_name_prefix="client")
        self._intakes = [self._intake(registry) for _ in range(2)]
        codec = Codec(registry.dictionary)
        archive = Archive(Objects(self.stores, "lake"), Table(self.stores, "Metadata"), codec)
        projection = Projection(Table(self.stores, "UserEvents"), codec, registry.of_ref)
        counter = EventCounter(
            Table(self.stores, "Analytics"),
            codec,
            Facts(list(aggregates.load()), registry.deployed),
            lambda: f"{self.rng.getrandbits(64):x}",
            now=lambda: self.now,
        )
        self.consumers = {
            "archive": Consumer(archive.write, self.dead),
            "projection": Consumer(projection.project, self.dead),
            "counter": Consumer(counter.count, self.dead),
        }
        self._log: list[dict[str, Any]] = []
        self._read = dict.fromkeys(self.consumers, 0)

    def _intake(self, registry: Registry) -> Intake:
        appender = Appender({"table": TableAppender(Table(self.stores, "Events"))})
        return Intake(registry, appender, self.quarantine, _TenantKeys(), EverybodyIsKnown())

    def close(self) -> None:
        """Ends the two clients."""
        self._clients.shutdown()

    def send(self, sent: Sequence[Sent], *, failing: int = 0, took_effect: bool = False) -> None:
        """One request a tenant; what has no answer goes out again with its ids, as clients do.

        Args:
            sent: in this order.
            failing: so many calls of the stores fail.
            took_effect: whether those had happened.
        """
        self.stores.failing, self.stores.took_effect = failing, took_effect
        for org in ORGS:
            self._send_all([one for one in sent if one.org == org], org, self._intakes[0])
        self.stores.failing = 0

    def send_at_once(self, first: Sequence[Sent], second: Sequence[Sent]) -> None:
        """Two clients send at the same moment, each through a copy of intake of its own."""
        for org in ORGS:
            parts = [[one for one in some if one.org == org] for some in (first, second)]
            done = [
                self._clients.submit(self._send_all, part, org, intake)
                for part, intake in zip(parts, self._intakes, strict=True)
            ]
            for one in done:
                one.result()

    def _send_all(self, left: list[Sent], org: str, intake: Intake) -> None:
        for _ in range(ATTEMPTS):
            if not left:
                return
            body = json.dumps([one.body() for one in left]).encode()
            origin = Origin(org, "shop", str(uuid.UUID(int=self.rng.getrandbits(128))), self.now)
            results = intake.accept(candidates(body, "application/json"), origin)
            pairs = list(zip(left, results, strict=True))
            self.answers += [
                Answered(one, str(result.outcome), tuple(error.code for error in result.errors), self.life)
                for one, result in pairs
            ]
            left = [one for one, result in pairs if result.outcome == "unavailable"]
        assert not left, "no answer"

    def replay(self) -> None:
        """Everything that waits in quarantine through intake again, as it is; nothing of it is kept twice."""
        for org in ORGS:
            kept = [entry for owner, entry in self.quarantine.kept if owner == org]
            for start in range(0, len(kept), 500):
                some = [parse_one(index, entry.raw) for index, entry in enumerate(kept[start : start + 500])]
                origin = Origin(
                    org, "ops", str(uuid.UUID(int=self.rng.getrandbits(128))), self.now, kind="replay"
                )
                before = len(self.quarantine.kept)
                for candidate, result in zip(
                    some, self._intakes[0].replay(some, origin, dry_run=False), strict=True
                ):
                    event = candidate.event
                    assert event is not None
                    self.replays.append(Answered(_read_back(org, event), str(result.outcome), (), self.life))
                assert len(self.quarantine.kept) == before

    def advance(self, duration: timedelta) -> None:
        """Time passes, consumers catch up, and rows whose time is over go."""
        self.deliver()
        self.now += duration
        if self.stores.expire(clock.epoch(self.now)):
            assert self.stores.tables["Events"] == {}, "a life ends for all rows at once"
            self.life += 1

    def deliver(
        self, *, window: int = 8, twice: float = 0.05, failing: float = 0.05, again: float = 0.05
    ) -> None:
        """What was inserted reaches every consumer: out of order within a window, some of it twice, batches again.

        Args:
            window: how far records may overtake each other.
            twice: the share of records that the log has twice.
            failing: the share of batches whose stores fail in the middle; they come again.
            again: the share of batches that are delivered again though they were done.
        """
        self._capture(window, twice)
        for name, consumer in self.consumers.items():
            while self._read[name] < len(self._log):
                start = self._read[name]
                batch = self._log[start : start + self.rng.randint(1, 2 * BATCH)]
                self.stores.failing = self.rng.randint(1, 3) if self.rng.random() < failing else 0
                self.stores.took_effect = self.rng.random() < 0.5
                try:
                    consumer.consume({"Records": batch})
                except RetryableError:
                    continue
                finally:
                    self.stores.failing = 0
                if self.rng.random() >= again:
                    self._read[name] += len(batch)

    def _capture(self, window: int, twice: float) -> None:
        """The table's change records, as its streaming destination writes them into the log."""
        held = [row for row in self.stores.inserted for _ in range(2 if self.rng.random() < twice else 1)]
        self.stores.inserted.clear()
        for place in range(0, len(held), max(1, window)):
            some = held[place : place + max(1, window)]
            self.rng.shuffle(some)
            self._log += [self._record(row, len(self._log) + number) for number, row in enumerate(some)]

    def _record(self, row: Row, number: int) -> dict[str, Any]:
        image = {
            name: {kind: base64.b64encode(held).decode() if isinstance(held, bytes) else held}
            for name, value in row.items()
            for kind, held in value.items()
        }
        change = json.dumps({"eventName": "INSERT", "dynamodb": {"NewImage": image}}).encode()
        return {
            "eventID": f"shardId-000000000000:{number}",
            "kinesis": {
                "data": base64.b64encode(change).decode(),
                "sequenceNumber": f"{number}",
                "approximateArrivalTimestamp": self.now.timestamp(),
            },
        }


def _read_back(org: str, event: dict[str, Any]) -> Sent:
    """What was sent, from the event that was kept: its story stands in one number of its payload."""
    number = uuid.UUID(event["eventId"]).int - uuid.UUID(int=0, version=4).int - 1
    payload = event["data"]["payload"]
    story = -1
    match event["eventType"]:
        case "order.created":
            story = payload["totalAmount"] // 10 - 1 if payload["totalAmount"] > 0 else -1
        case "transaction.created":
            story = payload["amount"] - 5 if isinstance(payload["amount"], int) else -1
        case _:
            story = payload["responseTime"] - 10 if isinstance(payload["responseTime"], int) else -1
    return Sent(org, number, story, clock.parse(event["timestamp"]))
