"""Hours of two tenants' patterns and alerts by chance: events that come late, again, in any order, replayed; kills; sweeps.

What each subject was told decides which alerts there must be, whatever the order was and wherever a function was killed.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from millrace.alerts.alert import STORM
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.errors import RetryableError
from millrace.core.table import Item
from millrace.eventstore import derived_ids
from millrace.eventstore.row import from_item
from tests.support.alerting import NOON
from tests.support.histories.world import ORGS
from tests.support.patterns import Story, World, delivered
from tests.support.shaky import Shaky

ORDERS, FLAGGED = "order_without_completion", "review_flagged_thrice"
HOURS = 5
# A call in so many fails while events are delivered and timers looked after.
CHANCE = 0.02
# Whether there must be an alert, there may be one, and whether an event ends it.
MUST, MAY, NONE = "must", "may", "none"


@dataclass(frozen=True, slots=True)
class Tale:
    """What happens to an order or to a review, and what has to be told of it."""

    subject: str
    kind: str
    expected: str
    ends: bool
    org: str
    rule: str
    # Of the event that closes a match; a review's alert is of whichever was seen first.
    event_id: str = ""


@dataclass(slots=True)
class Coming:
    """An event on its way to the consumer: the minute in which it is accepted, and that in which it is delivered."""

    accepted: float
    at: float
    item: Item
    redriven: bool = False


class History:
    """Some hours by a seed; `run`, then `check`."""

    def __init__(self, subjects: int, seed: int) -> None:
        self._rng, self._story = random.Random(seed), Story()
        self.tables = Shaky(seed=seed)
        self.world = World(ORDERS, FLAGGED, stores=self.tables)
        self.covered: Counter[str] = Counter()
        self._coming: list[Coming] = []
        # Storm → alerts that were held back when it ended.
        self.counted: dict[str, int] = {}
        self.tales = [self._tale(number) for number in range(subjects)]

    def run(self) -> None:
        """Minute by minute; at the end everything has been delivered, and nothing fails any more."""
        accepted: set[str] = set()
        for minute in range(HOURS * 60 + 200):
            self.world.now = NOON + timedelta(minutes=minute)
            for one in [one for one in self._coming if one.accepted <= minute]:
                if (name := one.item["eventId"]["S"]) not in accepted:
                    accepted.add(name)
                    self.world.append([one.item])
            self._deliver([one for one in self._coming if one.at <= minute])
            if self._rng.random() < 0.5:
                self._killed(self._sweep)
            if self._rng.random() < 0.1:
                self._killed(self.world.track, self._shuffled(self.world.deliveries()))
        assert not self._coming
        for _ in range(3):
            self.world.now += timedelta(hours=2)
            self._sweep()
        self.world.track(self._shuffled(self.world.deliveries()))

    def _tale(self, number: int) -> Tale:
        """Begins in an hour that few have, or in one of a storm."""
        rng, org = self._rng, self._rng.choice(ORGS)
        at = rng.uniform(60, 80) if rng.random() < 0.4 else rng.uniform(0, HOURS * 60)
        if number % 5 == 4:
            return self._review(f"rev_{number}", org, at)
        name = f"ord_{number}"
        kind = rng.choice(("silent", "silent", "in time", "late", "overtaken", "before", "old", "replayed"))
        created = self._story.order(name, at, org=org, late=3 if kind == "old" else rng.uniform(0, 1.9))
        self._send(created, at, redriven=kind == "replayed")
        # Minutes behind the order, and how long the event is on its way: clocks may be apart.
        done = {
            "in time": (rng.uniform(0.1, 19), rng.uniform(0, 10)),
            "late": (rng.uniform(31, 90), 0.0),
            "overtaken": (rng.uniform(0.1, 29.9), rng.uniform(33, 60)),
            "before": (-rng.uniform(0.1, 20), 1.0),
        }.get(kind)
        if done is not None:
            behind, late = done
            self._send(self._story.completed(name, at + behind, org=org, late=late), at + behind + late)
        expected = {"in time": NONE, "old": NONE, "replayed": NONE, "overtaken": MAY}.get(kind, MUST)
        ends = kind in ("late", "overtaken")
        event_id = created["eventId"]["S"].rpartition("#")[2]
        return Tale(f"order:{name}", kind, expected, ends, org, ORDERS, event_id)

    def _review(self, name: str, org: str, at: float) -> Tale:
        reports, redriven = self._rng.choice(((2, False), (3, False), (4, False), (4, True)))
        for _ in range(reports):
            moment = at + self._rng.uniform(0, 100)
            self._send(self._story.flagged(moment, review=name, org=org), moment, redriven=redriven)
        kind = "replayed" if redriven else f"{reports} reports"
        expected = MUST if reports > 2 and not redriven else NONE
        return Tale(f"target:{name}", kind, expected, False, org, FLAGGED)

    def _send(self, item: Item, at: float, *, redriven: bool = False) -> None:
        """Mostly seconds on its way to the consumer; sometimes a shard stands still."""
        rng = self._rng
        behind = rng.uniform(3, 60) if rng.random() < 0.1 else rng.uniform(0, 1)
        self._coming.append(Coming(at, at + behind, item, redriven=redriven))
        if rng.random() < 0.2:
            self.covered["redriven"] += 1
            self._coming.append(Coming(at, at + behind + rng.uniform(0, 100), item, redriven=True))

    def _deliver(self, due: Sequence[Coming]) -> None:
        left = self._shuffled(due)
        while left:
            batch, left = left[: (size := self._rng.randint(1, 8))], left[size:]
            if not self._killed(self.world.detector.detect, self._delivered(batch)):
                # Lambda delivers it again, in halves or behind others.
                continue
            for one in batch:
                again = self._rng.random() < 0.2
                self.covered["delivered again" if again else "delivered"] += 1
                if not again:
                    self._coming.remove(one)

    def _delivered(self, batch: Sequence[Coming]) -> list[Delivery]:
        return [
            delivered(one.item, NOON + timedelta(minutes=one.accepted), redriven=one.redriven)
            for one in batch
        ]

    def _sweep(self) -> None:
        # Storms end before anything else is looked after, so each has counted what was held back until now.
        held = Counter(held_back(self.world).values())
        try:
            swept = self.world.sweep()
        finally:
            ends = _storm_ends(_events(self.world))
            self.counted |= {one: held[ends[one]] for one in ends.keys() - self.counted.keys()}
        self.covered["sweeps held"] += swept.held
        for outcome, count in swept.timers.items():
            self.covered[f"timers {outcome}"] += count

    def _killed(self, work: Callable[..., object], *given: Any) -> bool:
        """Does it while calls fail by chance; False where it was killed, and fresh copies stand in its place."""
        self.tables.chance = CHANCE
        try:
            work(*given)
        except RetryableError:
            self.covered["killed"] += 1
            self.world.restart()
            return False
        finally:
            self.tables.chance = 0.0
        return True

    def _shuffled(self, some: Sequence[Any]) -> list[Any]:
        return self._rng.sample(list(some), len(some))


def check(history: History) -> Counter[str]:
    """Raises AssertionError at the first thing that is not so; what the history covered, counted."""
    world, covered = history.world, history.covered
    events = _events(world)
    raised = defaultdict[tuple[str, str], list[str]](list)
    for org, event_type, payload in events:
        if event_type == "alert.raised" and payload["kind"] == "pattern":
            raised[org, payload["subject"]].append(payload["alertId"])
    ended = Counter(one["alertId"] for _, event_type, one in events if event_type == "alert.ended")
    reasons = {one["alertId"]: one["reason"] for _, event_type, one in events if event_type == "alert.ended"}
    held = held_back(world)
    for tale in history.tales:
        ids = raised.pop((tale.org, tale.subject), [])
        kept_back = tale.event_id and _alert_id(tale) in held
        told = len(ids) + bool(kept_back)
        assert told <= 1, f"{tale} is told {told} times"
        assert told == {MUST: 1, NONE: 0}.get(tale.expected, told), f"{tale}: {told}"
        covered[f"{tale.kind}: {'held back' if kept_back else 'told' if told else 'not told'}"] += 1
        for one in ids:
            assert ended[one] == tale.ends, f"{tale} has ended {ended[one]} times"
            assert not tale.ends or reasons[one] == "late"
    assert not raised, f"alerts of nothing that happened: {raised}"
    _check_storms(events, held, history.counted, covered)
    _check_rows(world, events, ended)
    covered["calls that failed"] = history.tables.struck
    return covered


def _payloads(world: World) -> list[tuple[Item, dict[str, Any]]]:
    return [(row, from_item(row, world.codec).envelope["data"]["payload"]) for row in world.items()]


def _alert_id(tale: Tale) -> str:
    about = (tale.org, "pattern", tale.rule, tale.subject, tale.event_id)
    return derived_ids.event_id("alert", *about)


def _events(world: World) -> list[tuple[str, str, dict[str, Any]]]:
    """Tenant, type and payload of each event about an alert."""
    return [(row["orgId"]["S"], row["eventType"]["S"], payload) for row, payload in _payloads(world)]


def _storm_ends(events: Sequence[tuple[str, str, dict[str, Any]]]) -> dict[str, tuple[str, str, str]]:
    """Storm that has ended → tenant, rule and hour."""
    hours = {}
    for org, event_type, payload in events:
        if event_type == "alert.ended" and payload["kind"] == STORM:
            hours[payload["alertId"]] = (org, payload["ruleId"])
    found = {}
    for hour in range(24):
        text = clock.utc_micros(NOON + timedelta(hours=hour))[:13]
        for alert_id, (org, rule) in hours.items():
            if alert_id == derived_ids.event_id("alert", org, STORM, rule, f"pattern:{rule}", text):
                found[alert_id] = (org, rule, text)
    return found


def held_back(world: World) -> dict[str, tuple[str, str, str]]:
    """Alert → tenant, rule and hour, of those that were held back."""
    found = {}
    for key, tile in world.dynamodb.tables["Analytics"]:
        org, kind, *rest = key.split("#")
        if kind == "alert-held":
            found[tile] = (org, rest[1], rest[2])
    return found


def _check_storms(
    events: Sequence[tuple[str, str, dict[str, Any]]],
    held: dict[str, tuple[str, str, str]],
    counted: dict[str, int],
    covered: Counter[str],
) -> None:
    """A rule's alerts of an hour are bounded; each storm is told once, and its end says how many were held back by then."""
    storms = {one["alertId"] for _, kind, one in events if kind == "alert.raised" and one["kind"] == STORM}
    ends = {one["alertId"]: one for _, kind, one in events if kind == "alert.ended"}
    places = {
        derived_ids.event_id("alert", org, STORM, rule, f"pattern:{rule}", hour): count
        for (org, rule, hour), count in Counter(held.values()).items()
    }
    assert storms == places.keys(), f"{len(storms)} storms, and alerts are held back in {places}"
    for one, count in places.items():
        assert ends[one]["reason"] == "passed"
        # What comes long after its hour is held back as well, and no longer counted.
        assert ends[one]["observed"] == counted[one] <= count, (
            f"{ends[one]} of {counted[one]}, {count} in all"
        )
    covered["storms"] += len(storms)
    covered["held back"] += len(held)
    assert not {one["alertId"] for _, _, one in events} & held.keys(), "held back, and told"


def _check_rows(world: World, events: Sequence[tuple[str, str, dict[str, Any]]], ended: Counter[str]) -> None:
    """The list of alerts has each that was raised, in the state that its events leave it in."""
    states = {
        tile: row["typeKey"]["S"].rpartition("#")[2]
        for (key, tile), row in world.dynamodb.tables["Analytics"].items()
        if key.endswith("#alert") and "typeKey" in row
    }
    raised = {one["alertId"] for _, kind, one in events if kind == "alert.raised"}
    wanted = {one: "ended" if ended[one] else "raised" for one in raised}
    assert states == wanted, f"listed otherwise: {dict(states.items() ^ wanted.items())}"
