"""Many transactions through the real handlers: sets that saturate, and every decision equal to a brute force."""

import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.core import clock
from millrace.eventstore.row import StoredEvent
from millrace.fraud import derive, rulebook, velocity
from millrace.fraud.decision import moment_of, unpack
from tests.support import events
from tests.support.decisions import at, decisions, sets_of
from tests.support.mappings import Faults
from tests.support.platform import ACME, GLOBEX, Platform, platform
from tests.support.user_ids import number_of

DECISION = "/v1/fraud/decisions/{transactionId}"
WINDOW = timedelta(minutes=30)
# Against a real server's semantics and its speed; tests/unit/fraud/test_proof.py does many more in memory.
COUNT = 240


@pytest.fixture
def scoring(bundle: Path) -> Any:
    with platform(bundle, scoring=True, in_memory=True) as running:
        yield running


def test_ten_thousand_in_a_minute_saturate_and_one_merchant_is_no_hot_key(scoring: Platform) -> None:
    start = datetime(2026, 11, 18, 12, tzinfo=UTC)
    count = 300
    sent = [
        events.transaction(
            user=9, payload={"timestamp": at(start + timedelta(milliseconds=60_000 * n // count))}
        )
        for n in range(count)
    ]
    scoring.post(sent)
    scoring.settle()
    found = decisions(scoring)
    assert len(found) == count
    assert (
        Counter(one.envelope["data"]["payload"]["features"]["velocity"] > 5 for one in found.values())[True]
        >= 0.9 * count
    )
    (sets,) = sets_of(scoring).values()
    assert {len(elements) for elements in sets.minutes.values()} == {velocity.SATURATION}
    (row,) = scoring.rows("FeatureStore")
    assert sum(len(name) + sum(map(len, value.get("BS", []))) for name, value in row.items()) < 16_000


def test_every_decision_is_the_rules_over_what_it_counted_and_the_sets_are_brute_force(bundle: Path) -> None:
    """Two tenants, crashes before and after, duplicates in the log, redelivered batches, another order, late arrival."""
    rng = random.Random(11)
    faults = Faults(crash_before=0.1, crash_after=0.15, duplicate_delivery=0.15)
    newest = datetime.now(UTC) - timedelta(minutes=5)
    sent: dict[tuple[str, str], dict[str, Any]] = {}
    with platform(bundle, seed=11, faults=faults, scoring=True, in_memory=True) as running:
        batches = []
        for org in (ACME, GLOBEX):
            transactions = []
            for _ in range(COUNT // 2):
                moment = newest - timedelta(milliseconds=rng.randrange(3 * 3_600_000))
                offset = rng.choice(["Z", "+05:45", "-08:00"])
                local = (
                    moment
                    if offset == "Z"
                    else moment.astimezone(datetime.fromisoformat(f"2026-01-01T00:00:00{offset}").tzinfo)
                )
                payload = {
                    "timestamp": at(local),
                    "amount": rng.choice([12.5, 5000, 5000.01, 99999]),
                    "payment_method": rng.choice(["credit_card", "crypto", None]),
                    "location": rng.choice(["Lisbon, Portugal", "Yangon, MM", None]),
                    "is_fraud": rng.random() < 0.05,
                }
                event = events.transaction(
                    user=rng.randrange(COUNT // 40 + 1), timestamp=at(moment), payload=payload
                )
                event["eventId"] = events.new_id(rng)
                transactions.append(event)
                sent[(org, event["eventId"])] = event
            rng.shuffle(transactions)
            batches += [
                (org, transactions[begin : begin + 400]) for begin in range(0, len(transactions), 400)
            ]
        for org, batch in batches:
            assert running.post(batch, org=org)["body"]["accepted"] == len(batch)
            if rng.random() < 0.4:
                running.settle()
        running.settle()
        for _ in range(5):
            running.driver.redeliver("score_transactions", batches=3)
        running.settle()
        running.driver.run_until_idle(max_steps=100_000)

        found = decisions(running)
        assert set(found) == set(sent), "each transaction has its decision, and nothing else has one"
        assert not running.objects("dead-letters/")
        moments = {key: _moment(event) for key, event in sent.items()}
        hashes = {(org, velocity.id_hash(event)): (org, event) for org, event in sent}
        ids = {(key[0], event["data"]["payload"]["user_id"]) for key, event in sent.items()}
        numbers = {(org, user): number_of(running, str(user), org) for org, user in ids}
        users: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        for key, event in sent.items():
            users[(key[0], numbers[key[0], event["data"]["payload"]["user_id"]])].append(key)
        _check_decisions(sent, found, moments, hashes)
        _check_sets(running, users, moments)


def _moment(event: dict[str, Any]) -> datetime:
    found = moment_of(event["data"]["payload"])
    assert found is not None
    return found


def _check_decisions(
    sent: dict[tuple[str, str], dict[str, Any]],
    found: dict[tuple[str, str], StoredEvent],
    moments: dict[tuple[str, str], datetime],
    hashes: dict[tuple[str, bytes], tuple[str, str]],
) -> None:
    rules = rulebook.load()
    for (org, event_id), decision in found.items():
        body = decision.envelope["data"]["payload"]
        derived = derive.derive(sent[(org, event_id)], body, rules.of(org))
        assert derive.same(derived, body), derive.differences(derived, body)
        assert body["fallback"] is None
        ids = unpack(body["counted"])
        assert ids is not None
        assert len(set(ids)) == len(ids) == body["features"]["velocity"]
        end, user = moments[(org, event_id)], sent[(org, event_id)]["data"]["payload"]["user_id"]
        for one in ids:
            other = hashes[(org, one)]
            assert sent[other]["data"]["payload"]["user_id"] == user
            assert end - WINDOW < moments[other] <= end
        assert hashes[(org, ids[-1])] == (org, event_id)
        fired = {reason["factor"] for reason in body["reasons"]}
        assert ("velocity" in fired) == (len(ids) > 5)


def _check_sets(
    running: Platform,
    users: dict[tuple[str, str], list[tuple[str, str]]],
    moments: dict[tuple[str, str], datetime],
) -> None:
    sets = sets_of(running)
    assert set(sets) == {f"{org}#fraud#{user}" for org, user in users}
    for (org, user), keys in users.items():
        expected: dict[int, set[bytes]] = defaultdict(set)
        for key in keys:
            minute, element = velocity.element(clock.epoch_millis(moments[key]), velocity.id_hash(key[1]))
            expected[minute].add(element)
        assert {
            minute: set(found) for minute, found in sets[f"{org}#fraud#{user}"].minutes.items()
        } == expected
