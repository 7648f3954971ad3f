"""A dry run tells what the consumer and the sweep tell of the same events."""

from datetime import timedelta
from pathlib import Path

import pytest

from millrace.contracts import registry
from millrace.eventstore.row import from_item
from millrace.patterns.simulate import simulate
from tests.support.alerting import NOON
from tests.support.patterns import Story, World


def story() -> Story:
    made = Story()
    for number in range(12):
        made.order(f"ord_{number}", at=number)
        if number % 3:
            made.completed(f"ord_{number}", at=number + 10 * (number % 5))
        made.flagged(number, review=f"rev_{number % 4}")
        made.failed(number / 4, user=f"usr_{number % 2}")
    made.paid(10, user="usr_0")
    made.paid(10, user="usr_1", device="old")
    made.tell("checkout.started", 0, {"cartId": "c"}, sessionId="left")
    return made


@pytest.mark.parametrize(
    "name", ["order_without_completion", "review_flagged_thrice", "card_testing", "checkout_left"]
)
def test_a_dry_run_tells_what_would_be_told(bundle: Path, name: str) -> None:
    assert bundle.is_dir()
    told, world = story(), World(name)
    world.run(told.items)
    world.sweep(200)
    (pattern,) = world.patterns
    events = [from_item(item, world.codec) for item in told.items]
    # In the order of time, those of a moment in any, and each of them twice.
    past = sorted([*events, *events[::-1]], key=lambda one: one.happened_at)
    found = [*simulate(pattern, past, registry.load().of_ref, NOON + timedelta(minutes=200))]
    assert sorted(one["subject"] for one in found) == world.raised()
    assert {one["alertId"] for one in found} == {one["alertId"] for one in world.events("alert.raised")}
    assert found
    assert [*simulate(pattern, past, registry.load().of_ref, NOON - timedelta(minutes=1))] == []
