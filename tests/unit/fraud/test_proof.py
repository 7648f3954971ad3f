"""Many transactions through the consumer: redelivered, crashed into, shuffled, late; each decision as it has to be.

The whole proof (200,000) takes some minutes: MILLRACE_PROOF_TRANSACTIONS asks for another number than this.
"""

import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.registry import Registry
from millrace.core import clock, table
from millrace.core.consumer import Consumer, Record
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.emit import ID_TAKEN, Emitter, derived_id
from millrace.eventstore.row import StoredEvent, from_item, to_item
from millrace.fraud import derive, rulebook, velocity
from millrace.fraud.consumer import Scorer
from millrace.fraud.decision import CONSUMER, EVENT_TYPE, moment_of, unpack
from millrace.fraud.store import UserSetStore
from millrace.fraud.user import UserSets
from millrace.intake.enrich import Origin, enrich
from tests.support import events
from tests.support.mappings import (
    Crash,
    Faults,
    KinesisStream,
    ManualClock,
    MappingDriver,
    MappingSettings,
)
from tests.support.mappings import (
    Table as DrivenTable,
)
from tests.support.stores import MemoryDynamoDB

COUNT = int(os.environ.get("MILLRACE_PROOF_TRANSACTIONS", "4000"))
WINDOW_MS = 30 * velocity.MS_PER_MINUTE
ORGS = ("org_acme", "org_globex")
Key = tuple[str, str]


class Dead:
    """Dead letters, kept."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def put(self, record: Record, place: str, arrived_at: datetime, reason: str) -> None:
        self.reasons.append(reason)


@dataclass
class Proof:
    """Stores in memory, a log of two shards with duplicates and another order, and the consumer behind it."""

    registry: Registry
    seed: int = 0
    faults: Faults = field(default_factory=Faults)
    killed: float = 0.0
    batch_size: int = 100
    budget_ms: int = 60_000
    dynamodb: MemoryDynamoDB = field(default_factory=MemoryDynamoDB)
    dead: Dead = field(default_factory=Dead)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._codec = Codec(self.registry.dictionary)
        time = ManualClock(datetime.now(UTC))
        self.table = DrivenTable("Events", keys=("eventId",), clock=time)
        self.log = KinesisStream("events", shards=2, clock=time)
        self.table.stream_to(self.log, duplicate_rate=0.05, reorder_window=64, seed=self.seed)
        self.driver = MappingDriver(clock=time, seed=self.seed)
        self.driver.add_mapping(
            "score_transactions",
            self.log,
            lambda event, context: self._handle(event),
            MappingSettings(
                starting_position="TRIM_HORIZON",
                batch_size=self.batch_size,
                bisect_batch_on_function_error=True,
            ),
            faults=self.faults,
        )
        self._start()

    def _start(self) -> None:
        """A fresh function: nothing that the one before had in memory is there."""
        emitter = Emitter(
            self.registry, Appender({"table": TableAppender(table.Table(self._killing(), "Events"))})
        )
        scorer = Scorer(
            UserSetStore(Table(self.dynamodb, "FeatureStore")),
            emitter,
            rulebook.load(),
            Codec(self.registry.dictionary),
            features_budget_ms=self.budget_ms,
        )
        self._consumer = Consumer(scorer.score, self.dead)

    def _killing(self) -> Any:
        """The table, behind which the process may be killed in the middle of a batch's decisions."""
        proof = self

        class Client:
            def put_item(self, **request: Any) -> Any:
                if proof._rng.random() < proof.killed:
                    raise Crash
                return proof.dynamodb.put_item(**request)

        return Client()

    def _handle(self, event: Any) -> None:
        try:
            self._consumer.consume(event)
        except Crash:
            self._start()
            raise

    def send(self, org: str, event: dict[str, Any]) -> None:
        """Puts the row of an accepted transaction into the log."""
        contract = self.registry.find(event["eventType"])
        happened_at = clock.parse(event["timestamp"])
        origin = Origin(org, "shop", f"request-{event['eventId']}", happened_at + timedelta(seconds=1))
        envelope = enrich(event, contract, origin, happened_at)
        self.table.put(to_item(envelope, contract, self._rng.randbytes(16), self._codec))

    def settle(self) -> None:
        self.log.settle()
        self.driver.run_until_idle(max_steps=1_000_000)

    def decisions(self) -> dict[Key, StoredEvent]:
        found = [from_item(row, self._codec) for row in self.dynamodb.tables.get("Events", {}).values()]
        by_source = {(event.org, event.envelope["platform"]["derivedFrom"]): event for event in found}
        assert len(by_source) == len(found)
        return by_source

    def sets(self) -> dict[str, UserSets]:
        rows = self.dynamodb.tables.get("FeatureStore", {})
        return {key[0]: UserSets.from_item(row) for key, row in rows.items()}


@pytest.fixture(scope="module")
def registry(bundle: Path) -> Registry:
    return Registry(bundle)


def transactions(count: int, rng: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of two tenants over three hours, a few dozen a user, with every oddity that the contract takes."""
    newest = datetime.now(UTC) - timedelta(minutes=5)
    for _ in range(count):
        moment = newest - timedelta(milliseconds=rng.randrange(3 * 3_600_000))
        zone = rng.choice(["+00:00", "+05:45", "-08:00"])
        local = moment.astimezone(datetime.fromisoformat(f"2026-01-01T00:00:00{zone}").tzinfo)
        if rng.random() < 0.02:
            local -= timedelta(hours=3)  # a clock that is off
        payload = {
            "timestamp": local.isoformat(timespec="milliseconds"),
            "amount": rng.choice([0, 12.5, 5000, 5000.01, 1e12]),
            "payment_method": rng.choice(["credit_card", "crypto", "CRYPTO", "shells", None]),
            "location": rng.choice(["Lisbon, Portugal", "Yangon, MM", "Nowhere, Atlantis", "Lisbon", None]),
            "is_fraud": rng.choice([None, False, False, False, True]),
            "merchant": rng.choice(["the one that everybody buys from", f"m{rng.randrange(500)}"]),
        }
        user = rng.randrange(count // 60 + 1)
        event = events.transaction(
            user=user, timestamp=moment.isoformat(timespec="milliseconds"), payload=payload
        )
        yield rng.choice(ORGS), {**event, "eventId": events.new_id(rng)}


def moment_ms(event: dict[str, Any]) -> int:
    moment = moment_of(event["data"]["payload"])
    assert moment is not None
    return clock.epoch_millis(moment)


@pytest.mark.timeout(3600)
def test_nothing_is_lost_or_doubled_and_every_decision_is_the_rules_over_what_it_counted(
    registry: Registry,
) -> None:
    rng = random.Random(5)
    faults = Faults(crash_before=0.05, crash_after=0.1, duplicate_delivery=0.1)
    proof = Proof(registry, seed=5, faults=faults, killed=0.0005)
    sent: dict[Key, dict[str, Any]] = {}
    for org, event in transactions(COUNT, rng):
        sent[(org, event["eventId"])] = event
        proof.send(org, event)
        if rng.random() < 20 / COUNT:
            proof.settle()
    proof.settle()
    first = {key: event.envelope["data"]["payload"] for key, event in proof.decisions().items()}
    for _ in range(10):
        proof.driver.redeliver("score_transactions", batches=5)
        proof.settle()

    decided = {key: event.envelope["data"]["payload"] for key, event in proof.decisions().items()}
    assert set(decided) == set(sent)
    assert decided == first, "a second delivery returns the first decision"
    assert proof.dead.reasons == []
    moments = {key: moment_ms(event) for key, event in sent.items()}
    owner = {(org, velocity.id_hash(event_id)): (org, event_id) for org, event_id in sent}
    for key, body in decided.items():
        rules = rulebook.load().of(key[0])
        derived = derive.derive(sent[key], body, rules)
        assert derive.same(derived, body), derive.differences(derived, body)
        ids = unpack(body["counted"]) or []
        counted = [owner[(key[0], one)] for one in ids]
        assert counted[-1] == key
        assert len(set(counted)) == body["features"]["velocity"]
        assert all(moments[key] - WINDOW_MS < moments[one] <= moments[key] for one in counted)
        users = {sent[one]["data"]["payload"]["user_id"] for one in counted}
        assert users == {sent[key]["data"]["payload"]["user_id"]}
        assert ("velocity" in {reason["factor"] for reason in body["reasons"]}) == (len(ids) > 5)

    expected: dict[str, dict[int, set[bytes]]] = defaultdict(lambda: defaultdict(set))
    for (org, event_id), event in sent.items():
        minute, element = velocity.element(moments[(org, event_id)], velocity.id_hash(event_id))
        expected[f"{org}#fraud#{event['data']['payload']['user_id']}"][minute].add(element)
    final = {key: {m: set(e) for m, e in found.minutes.items()} for key, found in proof.sets().items()}
    assert final == expected


def test_calls_a_user_and_batch_and_appends_a_decision(registry: Registry) -> None:
    proof = Proof(registry, batch_size=500)
    now = datetime.now(UTC)
    for number in range(400):
        # One user's transactions lie across the hour, the day and half of the night.
        at = (now - timedelta(minutes=7 * number)).isoformat(timespec="milliseconds")
        proof.send(ORGS[0], events.transaction(user=number % 40, timestamp=at))
    proof.settle()
    batches = proof.driver.statistics("score_transactions").invocations
    calls = proof.dynamodb.calls
    users = {row["data"]["payload"]["userId"] for row in (e.envelope for e in proof.decisions().values())}
    assert len(users) == 40
    assert calls["update_item"] <= 40 * batches
    assert calls["batch_get_item"] <= batches
    assert len(proof.decisions()) == 400


def test_a_store_that_throttles_is_decided_without_and_made_whole(registry: Registry) -> None:
    proof = Proof(registry)
    sent = [events.transaction(user=7) for _ in range(8)]
    proof.dynamodb.failing["update_item"] = 1
    for event in sent:
        proof.send(ORGS[0], event)
    proof.settle()
    bodies = [event.envelope["data"]["payload"] for event in proof.decisions().values()]
    fallbacks = Counter(body["fallback"] for body in bodies)
    assert fallbacks["velocity"] > 0
    for body in bodies:
        assert ("velocity" in body["features"]["missing"]) == (body["fallback"] == "velocity")
        assert body["stages"]["features"]["budgetMs"] == 60_000
    (sets,) = proof.sets().values()
    assert sum(len(found) for found in sets.minutes.values()) == len(sent)


def test_a_table_that_takes_no_decision_gets_the_batch_again(registry: Registry) -> None:
    proof = Proof(registry)
    proof.dynamodb.failing["put_item"] = 9
    for _ in range(8):
        proof.send(ORGS[0], events.transaction(user=7))
    proof.settle()
    assert len(proof.decisions()) == 8
    assert {event.envelope["data"]["payload"]["fallback"] for event in proof.decisions().values()} == {None}
    assert proof.dead.reasons == []


def test_very_many_in_a_minute_saturate(registry: Registry) -> None:
    proof = Proof(registry, batch_size=500)
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
    count = COUNT // 2
    for number in range(count):
        at = (start + timedelta(milliseconds=60_000 * number // count)).isoformat(timespec="milliseconds")
        proof.send(ORGS[0], events.transaction(user=7, timestamp=at))
    proof.settle()
    bodies = [event.envelope["data"]["payload"] for event in proof.decisions().values()]
    assert len(bodies) == count
    fired = sum(body["score"] >= 25 for body in bodies)
    assert fired >= count - velocity.SATURATION // 2
    assert max(body["features"]["velocity"] for body in bodies) == velocity.SATURATION
    (sets,) = proof.sets().values()
    assert [len(found) for found in sets.minutes.values()] == [velocity.SATURATION]


def test_poison_goes_to_the_dead_letters_and_the_others_are_decided(registry: Registry) -> None:
    proof = Proof(registry)
    proof.send(ORGS[0], events.transaction())
    row = next(iter(proof.table.items.values()))
    proof.table.put({**row, "eventId": {"S": "org_acme#broken"}, "body": {"B": "AAAA"}})
    proof.send(ORGS[0], events.transaction())
    proof.settle()
    assert len(proof.decisions()) == 2
    assert len(proof.dead.reasons) >= 1


def test_a_decision_whose_id_is_taken_is_a_dead_letter_and_the_others_stand(registry: Registry) -> None:
    proof = Proof(registry)
    codec = Codec(registry.dictionary)
    for _ in range(7):
        proof.send(ORGS[0], events.transaction())
    robbed = from_item(list(proof.table.items.values())[3], codec)
    order = {**events.order(), "eventId": derived_id(CONSUMER, robbed, EVENT_TYPE)}
    contract, now = registry.find("order.created"), datetime.now(UTC)
    envelope = enrich(order, contract, Origin(ORGS[0], "shop", "r-1", now), now)
    proof.dynamodb.put_item(TableName="Events", Item=to_item(envelope, contract, b"a client's", codec))
    proof.settle()
    rows = [from_item(row, codec) for row in proof.dynamodb.tables["Events"].values()]
    assert Counter(row.event_type for row in rows) == {EVENT_TYPE: 6, "order.created": 1}
    assert proof.dead.reasons
    assert {reason.partition(": ")[2].partition(":")[0] for reason in proof.dead.reasons} == {ID_TAKEN}
    assert all(robbed.event_id in reason for reason in proof.dead.reasons)
