"""The events that the canary sends: one for each path an event can take, all of a tenant that has no others. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from millrace.core import clock

ORG = "millrace-canary"
"""The tenant of every canary; no other tenant's tables, lists or marts hold one."""
EVENT_TYPE = "platform.canary.sent"
BUS_SOURCE = "millrace.canary"
USER = "canary"

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CanaryEvents:
    """The events of one run.

    Attributes:
        canary: takes the table, the user's projection, the archive and the bus.
        transaction: fraud decides on it, as on any that is small and by daylight.
        logged: of a type that goes straight to the log.
        broken: is to be refused and found in quarantine.
        over_bus: comes in over the event bus.
    """

    canary: Event
    transaction: Event
    logged: Event
    broken: Event
    over_bus: Event

    @property
    def posted(self) -> list[Event]:
        """What goes over HTTP, in this order."""
        return [self.canary, self.transaction, self.logged, self.broken]


def canary_events(run: str, at: datetime, new_id: Callable[[], str]) -> CanaryEvents:
    """The events of one run.

    Args:
        run: its name; it stands in each of them.
        at: when they happen.
        new_id: gives a uuid v4.
    """
    moment = clock.utc_text(at)

    def event(event_type: str, payload: dict[str, Any], **more: Any) -> Event:
        return {
            "eventId": new_id(),
            "eventType": event_type,
            "timestamp": moment,
            "data": {"payload": payload, "metadata": {}},
            **more,
        }

    transaction = {
        "transaction_id": f"canary_{run}",
        # One user, so that there is one row of its past and not one each time.
        "user_id": 1,
        "amount": 1.0,
        "merchant": "millrace",
        "timestamp": moment,
        "is_fraud": False,
        "payment_method": "credit_card",
        "location": "Lisbon, Portugal",
        "device_id": "canary",
    }
    evaluated = {"ruleId": "canary", "matched": False, "metric": run, "evaluatedAt": moment}
    return CanaryEvents(
        canary=event(EVENT_TYPE, {"path": "http", "run": run}, userId=USER),
        transaction=event("transaction.created", transaction),
        logged=event("rule.evaluated", evaluated),
        broken=event(EVENT_TYPE, {"run": run}),
        over_bus=event(EVENT_TYPE, {"path": "bus", "run": run}, userId=USER),
    )
