"""Alerts over the stores in memory, with a clock that a test moves."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from millrace.alerts.alert import TYPES, Alert
from millrace.alerts.mutes import Mutes
from millrace.alerts.raising import Alerts
from millrace.alerts.rows import STATES, AlertRows, AlertTracker
from millrace.contracts import registry
from millrace.core.consumer import Delivery
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.emit import Emitter
from millrace.eventstore.row import from_item
from tests.support.stores import MemoryDynamoDB

ORG = "org_acme"
NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
ALERT = Alert(
    org=ORG,
    kind="pattern",
    rule="order_without_completion",
    subject="order:ord_1",
    about=("first",),
    severity="warning",
    title="Order without completion",
    owner="commerce",
    at=NOON,
    quiet=timedelta(minutes=30),
    expected=1,
    observed=0,
)


class Alerting:
    """What raises, what keeps, and the clock of both."""

    def __init__(self, dynamodb: Any = None) -> None:
        self.dynamodb = dynamodb or MemoryDynamoDB()
        self.now = NOON
        contracts = registry.load()
        self.codec = Codec(contracts.dictionary)
        self.analytics = Table(self.dynamodb, "Analytics")
        self.mutes = Mutes(Table(self.dynamodb, "Metadata"), self._seconds)
        self.alerts = self.made()
        self.rows = AlertRows(self.analytics)
        self.tracker = AlertTracker(self.rows, self.codec, contracts.deployed)

    def made(self) -> Alerts:
        """What raises alerts, for one thread."""
        appender = Appender({"table": TableAppender(Table(self.dynamodb, "Events"))})
        return Alerts(self.analytics, self.mutes, Emitter(registry.load(), appender), lambda: self.now)

    def _seconds(self) -> float:
        return self.now.timestamp()

    def raise_some(self, count: int, **changes: Any) -> None:
        """Raises as many alerts of one rule, each about something else."""
        alerts = [replace(ALERT, subject=f"order:ord_{number}", **changes) for number in range(count)]
        self.alerts.raise_all(alerts)

    def events(self, event_type: str = "") -> list[dict[str, Any]]:
        """The payloads of the alerts' events."""
        return [
            event["data"]["payload"]
            for event in (from_item(row, self.codec).envelope for row in self.items())
            if event["eventType"] == event_type or not event_type
        ]

    def items(self) -> list[dict[str, Any]]:
        """The rows of the alerts' events."""
        rows = Table(self.dynamodb, "Events").scan()
        return [row for row in rows if row["eventType"]["S"] in TYPES]

    def deliveries(self) -> list[Delivery]:
        """The alerts' events as the table's stream delivers them."""
        return [delivery(row) for row in self.items()]

    def track(self, deliveries: Sequence[Delivery] | None = None) -> None:
        """Brings the alerts' events into their rows."""
        self.tracker.track(self.deliveries() if deliveries is None else deliveries)

    def listed(self, *states: str, org: str = ORG) -> Iterator[dict[str, Any]]:
        """The alerts of a tenant."""
        return (item for _, item in self.rows.listed(org, states or STATES, None, None, None, 500))


def delivery(row: dict[str, Any]) -> Delivery:
    """A row as the table's stream delivers it."""
    return Delivery(row, "table", "1", NOON, {})
