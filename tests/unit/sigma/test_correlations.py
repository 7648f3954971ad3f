"""Our correlations over samples: what each tells, and what is nearly that and no match."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts import registry
from millrace.eventstore.row import StoredEvent, from_item
from millrace.patterns import definition
from millrace.patterns.simulate import simulate
from tests.support.alerting import NOON, Alerting
from tests.unit.sigma.test_detect import delivered, payout


@pytest.fixture
def world(bundle: Path) -> Alerting:
    assert bundle.is_dir()
    return Alerting()


def told(world: Alerting, name: str, *deliveries: Any) -> list[str]:
    events: list[StoredEvent] = [from_item(one.item, world.codec) for one in deliveries]
    events.sort(key=lambda one: one.happened_at)
    (pattern,) = (one for one in definition.load() if one.name == name)
    until = NOON + timedelta(days=2)
    return [one["subject"] for one in simulate(pattern, events, registry.load().of_ref, until)]


def reported(world: Alerting, number: int, reporter: str = "usr_1", target: str = "review") -> Any:
    payload = {"reportId": f"r{number}", "reporterId": reporter, "targetType": target, "reason": "spam"}
    payload["targetId"] = f"t{number}"
    return delivered(world, "report.flagged", f"report-{number}", payload, number * 5, userId=reporter)


def paid(world: Alerting, number: int, amount: float, device: str = "d1", minutes: float = 2) -> Any:
    payload = {"transaction_id": f"t{number}", "user_id": number, "amount": amount, "device_id": device}
    return delivered(world, "transaction.created", f"paid-{number}", payload, number * minutes)


def moved(world: Alerting, user: str = "usr_1", **payload: Any) -> Any:
    return delivered(world, "user.profile_updated", "moved", {"userId": user, **payload}, userId=user)


def test_mass_review_reports(world: Alerting) -> None:
    name = "mass_review_reports"
    assert told(world, name, *(reported(world, number) for number in range(10))) == ["user:usr_1"]
    assert told(world, name, *(reported(world, number) for number in range(9))) == []
    assert told(world, name, *(reported(world, number, f"usr_{number % 2}") for number in range(12))) == []
    assert told(world, name, *(reported(world, number, target="asset") for number in range(12))) == []


def test_high_value_burst_of_device(world: Alerting) -> None:
    name = "high_value_burst_of_device"
    assert told(world, name, *(paid(world, number, 1_000) for number in range(5))) == ["device_id:d1"]
    assert told(world, name, *(paid(world, number, 999) for number in range(5))) == []
    assert told(world, name, *(paid(world, number, 1_000, minutes=3) for number in range(5))) == []
    assert told(world, name, *(paid(world, number, 1_000, f"d{number}") for number in range(5))) == []


def failed(world: Alerting, number: int, user: str, device: str | None = "d1") -> Any:
    payload = {"paymentId": f"p{number}", "amount": 1, "currency": "EUR", "deviceId": device}
    return delivered(world, "payment.failed", f"failed-{number}", payload, number * 5, userId=user)


def test_device_fails_for_many_users(world: Alerting) -> None:
    name = "device_fails_for_many_users"
    users = ["a", "a", "b", "c", "b", "d", "e"]
    fails = [failed(world, number, user) for number, user in enumerate(users)]
    assert told(world, name, *fails) == ["device_id:d1"]
    assert told(world, name, *fails[:-1]) == []
    assert told(world, name, *(failed(world, number * 3, user) for number, user in enumerate(users))) == []
    assert told(world, name, *(failed(world, number, user, None) for number, user in enumerate(users))) == []


def test_account_taken_over(world: Alerting) -> None:
    name, country = "account_taken_over", {"country": "BR"}
    assert told(world, name, moved(world, **country), payout(world, 1, 500, minutes=59)) == ["user:usr_1"]
    assert told(world, name, moved(world, **country), payout(world, 1, 500, minutes=61)) == []
    assert told(world, name, moved(world, **country), payout(world, 1, 99, minutes=5)) == []
    assert told(world, name, moved(world, segment="gold"), payout(world, 1, 500, minutes=5)) == []
    assert told(world, name, moved(world, "usr_2", **country), payout(world, 1, 500, minutes=5)) == []
    assert told(world, name, payout(world, 1, 500, minutes=-5), moved(world, **country)) == []
