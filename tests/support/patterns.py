"""Patterns over the stores in memory: events that a test tells of, and the sweep of its clock."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from millrace.contracts import registry
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.table import Item, Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.projection import Projection
from millrace.eventstore.reader import EventReader
from millrace.eventstore.row import to_item
from millrace.patterns import definition
from millrace.patterns.definition import Pattern
from millrace.patterns.detect import PatternDetector
from millrace.patterns.reading import Reader
from millrace.patterns.state import PatternState
from millrace.patterns.sweep import Lookout, Sweeper, Swept
from millrace.patterns.timers import Timers
from tests.support.alerting import NOON, ORG, Alerting
from tests.support.stores import MemoryDynamoDB

FINGERPRINT = bytes(12)


@dataclass
class Story:
    """Events in the order of their making; `at` in minutes after noon, received `late` minutes after that."""

    items: list[Item] = field(default_factory=list)
    noon: datetime = NOON

    def tell(
        self,
        event_type: str,
        at: float,
        payload: dict[str, Any],
        *,
        late: float = 0,
        org: str = ORG,
        **envelope: Any,
    ) -> Item:
        """Adds an event."""
        contract = registry.load().find(event_type)
        happened = self.noon + timedelta(minutes=at)
        event_id = str(UUID(int=len(self.items) + 1, version=4))
        event = {
            "eventId": event_id,
            "eventType": event_type,
            "eventSource": "shop",
            "timestamp": clock.utc_text(happened),
            "version": contract.version,
            "data": {"payload": payload, "metadata": {}},
            **envelope,
            "platform": {
                "orgId": org,
                "receivedAt": clock.utc_text(happened + timedelta(minutes=late)),
                "requestId": "request",
                "category": contract.category,
                "contract": contract.ref,
                "day": clock.day_text(happened),
            },
        }
        item = to_item(event, contract, FINGERPRINT, self.codec)
        self.items.append(item)
        return item

    @property
    def codec(self) -> Codec:
        """Packs bodies."""
        return Codec(registry.load().dictionary)

    def order(self, order: str, at: float, **how: Any) -> Item:
        """An order is placed."""
        return self.tell("order.created", at, {"orderId": order, "userId": "usr_1"}, userId="usr_1", **how)

    def completed(self, order: str, at: float, **how: Any) -> Item:
        """An order is completed."""
        return self.tell("order.completed", at, {"orderId": order, "userId": "usr_1"}, userId="usr_1", **how)

    def failed(self, at: float, device: str | None = "old", user: str = "usr_1", **how: Any) -> Item:
        """A payment fails."""
        return self.tell("payment.failed", at, {"deviceId": device}, userId=user, **how)

    def paid(self, at: float, device: str | None = "new", user: str = "usr_1", **how: Any) -> Item:
        """A payment succeeds."""
        return self.tell("payment.captured", at, {"deviceId": device}, userId=user, **how)

    def flagged(self, at: float, review: str = "rev_1", kind: str = "review", **how: Any) -> Item:
        """Somebody reports a review."""
        payload = {"targetId": review, "targetType": kind}
        return self.tell("report.flagged", at, payload, userId="usr_1", **how)


class World(Alerting):
    """The consumer, the sweep, and the stores of both."""

    def __init__(self, *patterns: str, stores: MemoryDynamoDB | None = None) -> None:
        super().__init__(stores)
        chosen: Sequence[Pattern] = [one for one in definition.load() if one.name in patterns]
        self.patterns = chosen
        self.restart()

    def restart(self) -> None:
        """New copies of the functions, with nothing warm."""
        contracts = registry.load()
        self.timers = Timers(self.analytics)
        self.detector = self.another()
        user_events = Table(self.dynamodb, "UserEvents")
        self.projection = Projection(user_events, self.codec, contracts.deployed)

        def lookout() -> Lookout:
            codec = Codec(contracts.dictionary)
            events = EventReader(Table(self.dynamodb, "Events"), user_events, codec)
            return Lookout(self.patterns, events, Reader(self.patterns, contracts.of_ref), self.made())

        self.sweeper = Sweeper(self.timers, self.alerts, lookout, now=lambda: self.now)

    def another(
        self, passed_over: Callable[[int], object] = int, cut: Callable[[int], object] = int
    ) -> PatternDetector:
        """A further copy of the consumer."""
        contracts = registry.load()
        return PatternDetector(
            Reader(self.patterns, contracts.deployed),
            PatternState(self.analytics),
            Timers(self.analytics),
            self.made(),
            Table(self.dynamodb, "Events"),
            Codec(contracts.dictionary),
            lambda: self.now,
            passed_over=passed_over,
            cut=cut,
        )

    def append(self, items: Iterable[Item]) -> None:
        """Stores events, and projects them."""
        rows = list(items)
        for item in rows:
            self.dynamodb.put_item(TableName="Events", Item=item)
        self.projection.project([delivered(item, self.now) for item in rows])

    def deliver(self, items: Iterable[Item], *, size: int = 3, redriven: bool = False) -> None:
        """Brings events to the consumer, in batches."""
        rows = list(items)
        for start in range(0, len(rows), size):
            self.detector.detect(
                [delivered(item, self.now, redriven=redriven) for item in rows[start : start + size]]
            )

    def run(self, items: Sequence[Item], rng: random.Random | None = None) -> None:
        """Stores and delivers events: in order, or shuffled, some of them again."""
        self.append(items)
        rows = list(items)
        if rng is not None:
            rows += rng.sample(rows, len(rows) // 2)
            rng.shuffle(rows)
        self.deliver(rows, size=rng.randint(1, 7) if rng else 3)

    def sweep(self, minutes: float | None = None) -> Swept:
        """Sweeps, so many minutes after noon."""
        if minutes is not None:
            self.now = NOON + timedelta(minutes=minutes)
        return self.sweeper.sweep(lambda: 60.0)

    def raised_by_platform(self) -> list[str]:
        """The subjects of alerts of patterns, sorted."""
        return sorted(one["subject"] for one in self.events("alert.raised") if one["kind"] == "pattern")

    def raised(self) -> list[str]:
        """The subjects of the alerts, sorted."""
        return sorted(one["subject"] for one in self.events("alert.raised"))


def delivered(item: Item, at: datetime, *, redriven: bool = False) -> Delivery:
    """A row as the table's stream delivers it."""
    return Delivery(item, "table", "1", at, {"redriven": True} if redriven else {})
