"""The shipped patterns, whatever the order, the copies and the restarts of what brings their events."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from millrace.alerts.alert import Alert
from millrace.alerts.raising import Alerts
from millrace.patterns import detect, state, sweep
from millrace.patterns.sweep import Outcome
from millrace.patterns.timers import Timer
from tests.support.alerting import NOON
from tests.support.patterns import Story, World, delivered
from tests.support.shaky import Shaky, each_call

ORDERS, CARDS, CHECKOUT = "order_without_completion", "card_testing", "checkout_left"
FLAGGED, PACING = "review_flagged_thrice", "pacing_alert_unacknowledged"


@pytest.fixture(autouse=True)
def _contracts(bundle: Path) -> None:
    assert bundle.is_dir()


def orders() -> tuple[Story, list[str]]:
    """Forty orders, of which some are completed in time; and those that are not."""
    story, missing = Story(), []
    for number in range(40):
        story.order(f"ord_{number}", at=number / 10)
        if number % 4 == 0:
            missing.append(f"order:ord_{number}")
        elif number % 4 == 1:
            # The clocks are 10 minutes apart.
            story.completed(f"ord_{number}", at=number / 10 + 1, late=10)
        else:
            story.completed(f"ord_{number}", at=number / 10 + 29.9)
    return story, sorted(missing)


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_an_order_that_is_not_completed_is_told_once(seed: int | None) -> None:
    story, missing = orders()
    world = World(ORDERS)
    world.run(story.items, None if seed is None else random.Random(seed))
    assert world.sweep(31.9).timers[Outcome.FIRED] == 0, "nothing is due before the grace is over"
    world.restart()
    swept = [world.sweep(minutes) for minutes in (33, 34, 60, 90)]
    assert world.raised() == missing
    assert sum(one.timers[Outcome.FIRED] for one in swept) == len(missing)
    assert sum(one.timers[Outcome.CAME] for one in swept) == 30
    # All of it once more, by a copy that was away.
    world.run(story.items, None if seed is None else random.Random(seed))
    world.sweep(120)
    assert world.raised() == missing


def test_the_alert_says_what_is_missing() -> None:
    story, world = Story(), World(ORDERS)
    story.order("ord_1", at=0, correlationId="checkout-1")
    world.run(story.items)
    world.sweep(33)
    (payload,) = world.events("alert.raised")
    assert payload["message"] == "No order.completed within 30 minutes after order.created of order:ord_1."
    assert (payload["expected"], payload["observed"], payload["kind"]) == (1, 0, "pattern")
    assert (payload["owner"], payload["severity"]) == ("commerce", "warning")
    (row,) = world.items()
    assert row["correlationKey"]["S"] == "org_acme#checkout-1"


def test_a_completion_that_comes_later_ends_the_alert() -> None:
    story, world = Story(), World(ORDERS)
    created = story.order("ord_1", at=0)
    late = story.completed("ord_1", at=45)
    world.run([created])
    world.sweep(33)
    for _ in range(2):
        world.run([late])
    (ended,) = world.events("alert.ended")
    assert (ended["reason"], ended["observed"]) == ("late", 1)
    world.track()
    assert [one["state"] for one in world.listed()] == ["ended"]


def test_a_completion_of_before_ends_no_alert() -> None:
    story, world = Story(), World(ORDERS)
    world.run([story.order("ord_1", at=0)])
    world.sweep(33)
    world.run([story.completed("ord_1", at=-1, late=40)])
    assert world.events("alert.ended") == []


def test_a_completion_that_was_not_delivered_yet_is_asked_for() -> None:
    story, world = Story(), World(ORDERS)
    created, done = story.order("ord_1", at=0), story.completed("ord_1", at=5)
    world.run([created])
    world.append([done])
    assert world.sweep(33).timers[Outcome.CAME] == 1
    world.deliver([done])
    assert world.events() == []


def test_what_was_completed_before_it_was_placed_does_not_count() -> None:
    story, world = Story(), World(ORDERS)
    world.run([story.completed("ord_1", at=-5), story.order("ord_1", at=0)])
    world.sweep(33)
    assert world.raised() == ["order:ord_1"]


def test_of_events_of_one_moment_the_ids_say_which_was_first() -> None:
    story, world = Story(), World(ORDERS)
    world.run([story.completed("ord_1", at=0), story.order("ord_1", at=0)])
    world.run([story.order("ord_2", at=0), story.completed("ord_2", at=0)])
    world.sweep(33)
    assert world.raised() == ["order:ord_1"]


def test_what_comes_while_an_alert_is_raised_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its consumer may have found no alert that it could end."""
    story, world = Story(), World(ORDERS)
    world.run([story.order("ord_1", at=0)])
    done = story.completed("ord_1", at=29)
    raise_all = Alerts.raise_all

    def overtaken(alerts: Alerts, some: Sequence[Alert]) -> None:
        if some:
            world.run([done])
        raise_all(alerts, some)

    with monkeypatch.context() as patched:
        patched.setattr(Alerts, "raise_all", overtaken)
        world.sweep(33)
    assert world.raised() == ["order:ord_1"]
    assert [one["reason"] for one in world.events("alert.ended")] == ["late"]


def test_an_event_that_came_long_after_it_had_happened_sets_no_timer() -> None:
    story, world = Story(), World(ORDERS)
    world.run([story.order("ord_1", at=0, late=2.1), story.order("ord_2", at=0, late=1.9)])
    world.sweep(60)
    assert world.raised() == ["order:ord_2"]


def test_a_match_that_is_past_is_counted_and_not_told() -> None:
    story, world = Story(), World(FLAGGED)
    passed: list[int] = []
    world.detector = world.another(passed.append)
    for review, late in (("old", 2.1), ("new", 1.9)):
        for at in range(3):
            story.flagged(at, review=review, late=late)
    # A step that came late is found by one that did not.
    for at in range(3):
        story.flagged(at, review="both", late=0 if at == 2 else 60)
    world.run(story.items)
    assert world.raised() == ["target:both", "target:new"]
    assert passed
    assert set(passed) == {1}


def test_a_redrive_fires_nothing() -> None:
    story, world = Story(), World(ORDERS, FLAGGED)
    story.order("ord_1", at=0)
    for at in range(3):
        story.flagged(at)
    world.append(story.items)
    world.deliver(story.items, redriven=True)
    world.sweep(60)
    assert world.events() == []
    # But what was redriven is there for the next one.
    world.run([story.flagged(5)])
    assert world.raised() == ["target:rev_1"]


def test_nothing_fires_while_the_consumer_is_behind() -> None:
    story, world = Story(), World(ORDERS)
    created = story.order("ord_1", at=0)
    world.run([created])
    world.now = NOON + timedelta(minutes=40)
    other = story.order("ord_2", at=39)
    world.append([other])
    world.detector.detect([delivered(other, world.now - timedelta(minutes=5))])
    assert world.sweep().held
    assert world.raised() == []
    assert not world.sweep(43).held
    assert world.raised() == ["order:ord_1"]


def test_a_pattern_of_another_version_waits_for_nothing() -> None:
    story, world = Story(), World(ORDERS)
    world.run([story.order("ord_1", at=0)])
    world.patterns = []
    world.restart()
    assert world.sweep(60).timers[Outcome.DROPPED] == 1
    assert world.sweep(61).timers[Outcome.DROPPED] == 0
    assert world.events() == []


def test_a_new_version_begins_anew_and_ends_what_the_old_one_told() -> None:
    story, world = Story(), World(ORDERS, FLAGGED)
    told, waiting = story.order("told", at=0), story.order("waiting", at=20)
    world.run([told, waiting, *(story.flagged(at) for at in (21, 22))])
    world.sweep(33)
    assert world.raised() == ["order:told"]
    world.patterns = [replace(one, version="2.0.0") for one in world.patterns]
    world.restart()
    world.run([story.order("new", at=34), story.flagged(35), story.completed("told", at=40)])
    swept = world.sweep(70)
    # The order that the old version waited for, and its two reports, are forgotten.
    assert (swept.timers[Outcome.DROPPED], swept.timers[Outcome.FIRED]) == (1, 1)
    assert world.raised() == ["order:new", "order:told"]
    (ended,) = world.events("alert.ended")
    assert ended["reason"] == "late"


def test_of_a_key_with_too_many_events_nothing_is_told_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep, "MOST_EVENTS", 5)
    story, world = Story(), World(ORDERS)
    world.run([story.order("ord_1", at=minute) for minute in range(8)])
    said: list[str] = []
    world.sweeper._log = said.append
    swept = world.sweep(60)
    # Behind the first two are more than five.
    assert (swept.timers[Outcome.UNKNOWN], swept.timers[Outcome.FIRED]) == (2, 6)
    assert len(said) == 2
    assert said[0].endswith("its key has more than 5 events, and nothing is told")
    assert world.raised() == ["order:ord_1"]


def test_a_key_whose_steps_are_not_all_looked_at_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (state, detect):
        monkeypatch.setattr(module, "MOST_FACTS", 4)
    story, world = Story(), World(FLAGGED)
    cut: list[int] = []
    world.detector = world.another(cut=cut.append)
    world.run([story.flagged(minute) for minute in range(3)])
    assert cut == []
    world.run([story.flagged(minute) for minute in range(3, 6)])
    assert cut == [1]
    assert world.raised() == ["target:rev_1"]


def test_two_tenants_have_nothing_to_do_with_each_other() -> None:
    story, world = Story(), World(ORDERS, FLAGGED)
    story.order("ord_1", at=0)
    story.completed("ord_1", at=1, org="org_globex")
    for at in range(3):
        story.flagged(at, org="org_acme" if at else "org_globex")
    world.run(story.items)
    world.sweep(60)
    assert world.raised() == ["order:ord_1"]


@pytest.mark.parametrize("seed", [None, *range(6)])
def test_five_failures_then_a_success_on_another_device(seed: int | None) -> None:
    story, world = Story(), World(CARDS)
    for at in range(5):
        story.failed(at, user="thief")
        story.failed(at, user="same device")
        story.failed(at, device=None, user="no device")
        story.failed(at * 20, user="too slow")
        if at:
            story.failed(at, user="too few")
    for user in ("thief", "no device", "too few"):
        story.paid(6, user=user)
    story.paid(6, device="old", user="same device")
    story.paid(2.5, user="before the fifth")
    story.paid(81, user="too slow")
    world.run(story.items, None if seed is None else random.Random(seed))
    assert world.raised() == ["user:thief"]
    (payload,) = world.events()
    assert payload["message"] == "5 payment.failed, then payment.captured of user:thief, within 1 hour."


@pytest.mark.parametrize("seed", [None, *range(6)])
def test_a_review_that_is_flagged_thrice_in_a_day(seed: int | None) -> None:
    story, world = Story(), World(FLAGGED)
    for at in (0, 600, 1400, 1430):
        story.flagged(at)
        story.flagged(at * 3, review="spread over days")
        story.flagged(at, review="an asset", kind="asset")
    world.run(story.items, None if seed is None else random.Random(seed))
    assert world.raised() == ["target:rev_1"]
    (payload,) = world.events()
    assert (payload["expected"], payload["observed"]) == (2, 3)


def test_a_session_without_an_event_after_its_checkout() -> None:
    story, world = Story(), World(CHECKOUT)
    for session in ("left", "went on"):
        story.tell("checkout.started", 0, {"cartId": session}, sessionId=session)
        story.tell("page.viewed", -1, {}, sessionId=session)
    story.tell("page.viewed", 3, {}, sessionId="went on")
    world.run(story.items)
    world.sweep(20)
    assert world.raised() == ["session:left"]
    world.run([story.tell("page.viewed", 40, {}, sessionId="left")])
    (ended,) = world.events("alert.ended")
    assert ended["reason"] == "late"


def test_an_alert_that_nobody_acknowledges_is_told_and_not_its_own() -> None:
    story, world = Story(), World(PACING)
    story.tell("alert.raised", 0, {"alertId": "seen", "kind": "pacing"})
    story.tell("alert.raised", 0, {"alertId": "unseen", "kind": "pacing"})
    story.tell("alert.raised", 0, {"alertId": "other", "kind": "volume"})
    story.tell("alert.acknowledged", 10, {"alertId": "seen"})
    world.run(story.items)
    world.sweep(63)
    assert world.raised_by_platform() == ["alert:unseen"]
    # Its own alert is an event of the same type, and begins nothing.
    world.deliver([row for row in world.items() if row["eventType"]["S"] == "alert.raised"])
    world.sweep(300)
    assert world.raised_by_platform() == ["alert:unseen"]


def test_a_campaign_off_its_plan_is_told_once_a_day_and_again_if_nobody_cares() -> None:
    story, world = Story(), World("campaign_pacing", PACING)
    for at, ratio in ((0, 1.0), (5, 1.2), (10, 0.5), (15, None)):
        story.tell("campaign.pacing_recorded", at, {"campaignId": "cmp_1", "pacingRatio": ratio})
    story.tell("campaign.pacing_recorded", 1500, {"campaignId": "cmp_1", "pacingRatio": 0.8})
    world.run(story.items)
    first, second = sorted(world.events("alert.raised"), key=lambda one: str(one["windowEnd"]))
    assert (first["subject"], first["expected"], first["observed"]) == ("campaign:cmp_1", 0, 1)
    assert second["windowEnd"] > first["windowEnd"]
    world.deliver([row for row in world.items() if row["eventType"]["S"] == "alert.raised"])
    world.sweep(63)
    assert f"alert:{first['alertId']}" in world.raised()


def test_a_storm_of_absences_is_bounded() -> None:
    story, world = Story(), World(ORDERS)
    for number in range(300):
        story.order(f"ord_{number}", at=number / 1000)
    world.run(story.items)
    assert world.sweep(40).timers[Outcome.FIRED] == 300
    assert len(world.events("alert.raised")) == 21


def test_a_hundred_thousand_open_timers_cost_nothing_until_they_are_due() -> None:
    story, world = Story(), World(ORDERS)
    world.run([story.order("ord_1", at=0)])
    (pattern,) = world.patterns
    for number in range(100_000):
        due = NOON + timedelta(minutes=34, milliseconds=number)
        row = Timer("org_acme", pattern.ref, "x", f"event {number}", 0, due).row
        world.dynamodb.tables["Analytics"][row["metricKey"]["S"], row["tileKey"]["S"]] = row
    swept = world.sweep(33)
    assert (swept.timers[Outcome.FIRED], sum(swept.timers.values())) == (1, 1)
    world.now = NOON + timedelta(hours=2)
    ended = world.sweeper.sweep(lambda: 5.0)
    assert ended.more
    assert sum(ended.timers.values()) == 0


def test_copies_of_the_functions_at_once_tell_the_same() -> None:
    story, missing = orders()
    for minute in range(5):
        story.failed(minute, user="thief")
    story.paid(6, user="thief")
    world = World(ORDERS, CARDS)
    world.append(story.items)

    def copy(seed: int) -> None:
        rows = list(story.items)
        random.Random(seed).shuffle(rows)
        detector = world.another()
        for start in range(0, len(rows), 5):
            detector.detect([delivered(item, world.now) for item in rows[start : start + 5]])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(copy, range(4)))
    assert world.raised() == ["user:thief"]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(world.sweep, (40, 40)))
    assert world.raised() == sorted([*missing, "user:thief"])


def test_whatever_call_fails_the_alerts_are_the_same() -> None:
    def told(tables: Shaky) -> object:
        world, story = World(ORDERS, FLAGGED, stores=tables), Story()
        first = [story.order("ord_1", at=0), *(story.flagged(minute) for minute in range(3))]
        late = story.completed("ord_1", at=45)
        world.append(first)
        tables.retried(world.deliver, first, restart=world.restart)
        for minutes in (33, 34):
            tables.retried(world.sweep, minutes, restart=world.restart)
        world.append([late])
        tables.retried(world.deliver, [late], restart=world.restart)
        tables.retried(world.track, world.deliveries(), restart=world.restart)
        assert world.raised() == ["order:ord_1", "target:rev_1"]
        ended = [one["reason"] for one in world.events("alert.ended")]
        return ended, sorted(one["state"] for one in world.listed())

    each_call(told, least=20)


@pytest.mark.parametrize("closing_first", [False, True], ids=["in its order", "closing event first"])
def test_an_alert_has_the_correlation_of_its_closing_event_whoever_comes_last(closing_first: bool) -> None:
    story, world = Story(), World(FLAGGED)
    several = [story.flagged(number, correlationId=f"c{number}") for number in range(3)]
    world.append(several)
    for one in reversed(several) if closing_first else several:
        world.deliver([one])
    (row,) = world.items()
    assert row["correlationKey"]["S"] == "org_acme#c2"
