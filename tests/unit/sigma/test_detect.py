"""What matches a Sigma rule raises one alert of its rule and subject in an hour."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts import registry
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.eventstore.row import from_item, to_item
from millrace.sigma import rules
from millrace.sigma.detect import SigmaDetector
from tests.support.alerting import NOON, ORG, Alerting, delivery
from tests.support.shaky import Shaky, each_call


@pytest.fixture
def world(bundle: Path) -> Alerting:
    assert bundle.is_dir()
    return Alerting()


def detector(world: Alerting) -> SigmaDetector:
    return SigmaDetector(rules.load(), registry.load(), world.alerts.raise_all)


def delivered(
    world: Alerting,
    event_type: str,
    event_id: str,
    payload: dict[str, Any],
    minutes: float = 0,
    late: float = 0,
    **envelope: Any,
) -> Delivery:
    contract = registry.load().find(event_type)
    received = clock.utc_text(NOON + timedelta(minutes=minutes))
    happened = clock.utc_text(NOON + timedelta(minutes=minutes - late))
    event = {
        **{"eventId": event_id, "eventType": event_type, "eventSource": "test", "timestamp": happened},
        **{"version": contract.version, "data": {"payload": payload, "metadata": {}}, **envelope},
        "platform": {
            **{"orgId": ORG, "receivedAt": received, "requestId": "r", "category": contract.category},
            **{"contract": contract.ref, "day": received[:10]},
        },
    }
    return delivery(to_item(event, contract, b"f" * 16, world.codec))


def payout(
    world: Alerting, number: int, amount: float, creator: str = "usr_1", minutes: float = 0, late: float = 0
) -> Delivery:
    payload = {
        "payoutId": f"p{number}",
        "creatorId": creator,
        "amount": amount,
        "currency": "EUR",
        "method": "sepa",
    }
    return delivered(world, "payout.requested", f"event-{number}", payload, minutes, late, userId=creator)


def raised(world: Alerting) -> list[tuple[str, str, str, str]]:
    found = [(one["ruleId"], one["subject"], one["severity"], one["owner"]) for one in world.events()]
    return sorted(found)


def test_a_match_raises_an_alert_and_a_second_delivery_none(world: Alerting) -> None:
    batch = [payout(world, 1, 10_000), payout(world, 2, 9_999)]
    detector(world).detect(batch)
    detector(world).detect(batch[::-1])
    assert raised(world) == [("payout_large", "creator_id:usr_1", "warning", "trust-and-safety")]
    (payload,) = world.events()
    assert payload["kind"] == "sigma"
    assert payload["title"] == "A payout of 10,000 or more"
    assert "event-1 of creator_id:usr_1" in payload["message"]


def test_whatever_call_fails_the_alerts_are_the_same(bundle: Path) -> None:
    assert bundle.is_dir()

    def told(tables: Shaky) -> object:
        world = Alerting(tables)
        batch = [payout(world, number, 20_000, f"usr_{number % 2}") for number in range(3)]
        tables.retried(lambda: detector(world).detect(batch), restart=lambda: None)
        return raised(world)

    each_call(told, least=6)


def test_a_subject_has_one_in_an_hour(world: Alerting) -> None:
    for number, minutes in enumerate((0, 20, 59, 61)):
        detector(world).detect([payout(world, number, 20_000, minutes=minutes)])
    detector(world).detect([payout(world, 9, 20_000, "usr_2")])
    assert [subject for _, subject, _, _ in raised(world)] == ["creator_id:usr_1"] * 2 + ["creator_id:usr_2"]


def test_a_storm_is_bounded(world: Alerting) -> None:
    detector(world).detect([payout(world, number, 20_000, f"usr_{number}") for number in range(300)])
    assert len(world.events()) < 30


def test_what_is_past_is_counted_and_not_told(world: Alerting) -> None:
    passed: list[int] = []
    detector = SigmaDetector(rules.load(), registry.load(), world.alerts.raise_all, passed.append)
    late = [
        payout(world, number, 20_000, f"usr_{number}", late=late) for number, late in ((1, 2.1), (2, 1.9))
    ]
    again = payout(world, 3, 20_000, "usr_3")
    detector.detect([*late, replace(again, record={"redriven": True})])
    assert [subject for _, subject, _, _ in raised(world)] == ["creator_id:usr_2"]
    assert passed == [2]


def test_a_rule_holds_for_the_major_that_it_was_compiled_for(world: Alerting) -> None:
    envelope = from_item(payout(world, 1, 20_000).item, world.codec).envelope
    assert [one.rule.name for one in rules.load().matching(envelope)] == ["payout_large"]
    newer = {**envelope, "platform": {**envelope["platform"], "contract": "payout.requested/2.0.0"}}
    assert list(rules.load().matching(newer)) == []


def test_what_an_alert_is_about(world: Alerting) -> None:
    """Of a user, else of the event's entity, else of its type."""
    moved = {"model": "fraud", "alias": "champion", "version": "2", "move": 1, "reason": "promote"}
    moved |= {"movedBy": "ana", "forced": True, "cardSha256": "0" * 64}
    review = {"reviewId": "r", "assetId": "a", "userId": "usr_3", "rating": 1, "text": "www.spam.example"}
    detector(world).detect(
        [
            delivered(world, "ml.model.moved", "moved", moved),
            delivered(world, "review.submitted", "review", review, userId="usr_3"),
            delivered(world, "system.health.check", "health", {"serviceName": "api", "status": "down"}),
            delivered(world, "order.created", "order", {}),
        ]
    )
    assert raised(world) == [
        ("champion_forced", "model:fraud", "warning", "machine-learning"),
        ("review_with_link", "user:usr_3", "info", "trust-and-safety"),
        ("service_down", "type:system.health.check", "warning", "data-platform"),
    ]
