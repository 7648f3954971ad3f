"""The consumer that asks every new event of the table's stream what rules it matches.

There is one alert of a rule and a subject in an hour, however many events match: of a user, else of what the event is about.
Events that are redriven, or came long after they had happened, raise nothing: what they say is past.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from millrace.alerts.alert import Alert, is_past
from millrace.contracts import pointers
from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.consumer import REDRIVEN, Delivery
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import StoredEvent, from_item
from millrace.sigma.rules import SEVERITIES, Compiled, Rules

KIND = "sigma"
QUIET = timedelta(hours=1)


class SigmaDetector:
    """Raises an alert for what matches."""

    def __init__(
        self,
        rules: Rules,
        contracts: Registry,
        raise_all: Callable[[Sequence[Alert]], object],
        passed_over: Callable[[int], object] = int,
    ) -> None:
        """Takes what the alerts of a batch are given to.

        Args:
            rules: all that there are.
            contracts: of the events.
            raise_all: takes the alerts of a batch; one that it has taken before changes nothing.
            passed_over: takes how many matches of a batch are past.
        """
        self._rules, self._contracts, self._raise_all = rules, contracts, raise_all
        self._passed_over = passed_over
        self._codec = Codec(contracts.dictionary)

    def detect(self, deliveries: Sequence[Delivery]) -> None:
        """Takes a batch.

        Raises:
            PermanentError: a delivery holds no row of an event.
            RetryableError: not every alert is raised.
        """
        found: dict[tuple[str, str, str], Alert] = {}
        past = 0
        for delivery in deliveries:
            if delivery.item["eventType"]["S"] not in self._rules.event_types:
                continue
            event = from_item(delivery.item, self._codec)
            matching = [*self._rules.matching(event.envelope)]
            if REDRIVEN in delivery.record or is_past(event.happened_at, _received(event)):
                past += len(matching)
                continue
            contract = self._contracts.deployed(event.envelope["platform"]["contract"])
            for one in matching:
                alert = _alert(one, event, contract)
                found.setdefault((alert.org, alert.rule, alert.subject), alert)
        if found:
            self._raise_all([*found.values()])
        if past:
            self._passed_over(past)


def _alert(one: Compiled, event: StoredEvent, contract: Contract) -> Alert:
    subject = _subject(one, event, contract)
    return Alert(
        org=event.org,
        kind=KIND,
        rule=one.rule.name,
        subject=subject,
        about=(event.event_id,),
        severity=SEVERITIES[one.rule.level],
        title=one.rule.title,
        owner=one.rule.owner,
        at=_received(event),
        message=f"{event.event_type} {event.event_id} of {subject} matches the Sigma rule {one.rule.rule_id}.",
        quiet=QUIET,
        cause=event,
    )


def _received(event: StoredEvent) -> datetime:
    return clock.parse(event.envelope["platform"]["receivedAt"])


def _subject(one: Compiled, event: StoredEvent, contract: Contract) -> str:
    if one.subject is not None and (value := one.subject.read(event.envelope)) is not None:
        return f"{one.subject.name}:{value}"
    if user := event.envelope.get("userId"):
        return f"user:{user}"
    for name, pointer in contract.entity.items():
        value = pointers.as_text(pointers.read(event.envelope, pointers.parse(pointer)))
        if value is not None:
            return f"{name}:{value}"
    return f"type:{event.event_type}"
