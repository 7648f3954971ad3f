"""What a pattern would have told of past events, each taken as if it had come when it happened. Pure.

Events come in the order of time, so that only those within the pattern's time are kept, whatever the length of the past.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from millrace.alerts.alert import GRACE, Alert
from millrace.contracts.contract import Contract
from millrace.core import clock
from millrace.core.identity import identity_text
from millrace.eventstore.row import StoredEvent
from millrace.patterns import alerting
from millrace.patterns.definition import ABSENCE, Pattern
from millrace.patterns.judge import Fact, Match, closed_by
from millrace.patterns.reading import Hit, Reader
from millrace.patterns.state import MOST_FACTS

# Tenant and key.
_Key = tuple[str, str]
# Events after which keys that are over are forgotten.
_FORGET_EVERY = 20_000
_MICROSECOND = timedelta(microseconds=1)


def simulate(
    pattern: Pattern, events: Iterable[StoredEvent], contract_of: Callable[[str], Contract], until: datetime
) -> Iterator[dict[str, Any]]:
    """The alerts, in order of time.

    Args:
        pattern: the pattern.
        events: of the past, in order of time, those of one moment in any order; the same event twice is one.
        contract_of: of `platform.contract`.
        until: the end of the past; what would be told later is not.
    """
    past = _Past(pattern, Reader([pattern], contract_of))
    for alert in past.alerts(events, clock.epoch_micros(until)):
        if past.is_told(alert):
            yield _public(alert)


def found(
    pattern: Pattern, events: Iterable[StoredEvent], contract_of: Callable[[str], Contract], until: datetime
) -> Iterator[Alert]:
    """All that `simulate` finds, whether or not another alert stands for it: to be raised by whoever knows the open ones."""
    return _Past(pattern, Reader([pattern], contract_of)).alerts(events, clock.epoch_micros(until))


@dataclass(slots=True)
class _Past:
    """What is kept of the events so far.

    Attributes:
        pattern: the pattern.
        reader: of its steps.
        facts: by key, the latest steps within the pattern's time, in order.
        waiting: for each key, the closing events behind which the missing one has not come.
        due: when each of these is told: moment, key, place.
        quiet: until when one alert stands for others of its subject.
    """

    pattern: Pattern
    reader: Reader
    facts: dict[_Key, deque[Fact]] = field(default_factory=dict)
    waiting: dict[_Key, dict[tuple[int, str], Fact]] = field(default_factory=dict)
    due: list[tuple[int, _Key, tuple[int, str]]] = field(default_factory=list)
    quiet: dict[_Key, datetime] = field(default_factory=dict)

    def alerts(self, events: Iterable[StoredEvent], until: int) -> Iterator[Alert]:
        """All that is found up to a moment, whether or not another alert stands for it."""
        seen = 0
        for micros, several in groupby(events, lambda event: clock.epoch_micros(event.happened_at)):
            if micros > until:
                break
            yield from self._told(micros)
            hits = {
                (event.org, hit.key, hit.fact.place, hit.missing, hit.fact.step): hit
                for event in several
                for hit in self.reader.hits(event)
            }
            for (org, key, _, _, _), hit in sorted(hits.items(), key=lambda one: one[1].fact.place):
                yield from self._taken((org, key), hit)
                seen += 1
                if seen % _FORGET_EVERY == 0:
                    self._forget(micros)
        yield from self._told(until)

    def is_told(self, alert: Alert) -> bool:
        """Whether no other alert of its subject stands for it."""
        place = alert.org, alert.subject
        if place in self.quiet and alert.at <= self.quiet[place]:
            return False
        self.quiet[place] = alert.at + (alert.quiet or timedelta())
        return True

    def _taken(self, key: _Key, hit: Hit) -> Iterator[Alert]:
        fact = hit.fact
        if hit.missing:
            waiting = self.waiting.get(key, {})
            for place in [
                one for one in waiting if one < fact.place and fact.micros <= one[0] + self._within
            ]:
                del waiting[place]
            return
        kept = self.facts.setdefault(key, deque(maxlen=MOST_FACTS))
        while kept and kept[0].micros < fact.micros - self._within:
            kept.popleft()
        match = closed_by(self.pattern, fact, kept)
        kept.append(fact)
        if match is None:
            return
        if self.pattern.kind != ABSENCE:
            org, name = key
            yield alerting.of_match(org, self.pattern, name, _told_at_once(match), None)
        else:
            self.waiting.setdefault(key, {})[fact.place] = fact
            heapq.heappush(self.due, (fact.micros + self._within + GRACE // _MICROSECOND, key, fact.place))

    def _told(self, until: int) -> Iterator[Alert]:
        """The absences whose time is over at a moment."""
        while self.due and self.due[0][0] <= until:
            due, key, place = heapq.heappop(self.due)
            closing = self.waiting[key].pop(place, None)
            if closing is not None:
                (org, name), moment = key, clock.from_epoch_micros(due)
                yield alerting.of_absence(
                    org, self.pattern, name, closing.event_id, closing.micros, moment, None
                )

    def _forget(self, micros: int) -> None:
        now = clock.from_epoch_micros(micros)
        self.facts = {
            key: kept for key, kept in self.facts.items() if kept[-1].micros >= micros - self._within
        }
        self.quiet = {key: until for key, until in self.quiet.items() if until >= now}
        still = {key for _, key, _ in self.due}
        self.waiting = {key: one for key, one in self.waiting.items() if key in still}

    @property
    def _within(self) -> int:
        return self.pattern.within // _MICROSECOND


def _told_at_once(match: Match) -> Match:
    """The same as if each event had been received when it happened."""
    return Match(
        tuple(Fact(one.micros, one.event_id, one.step, one.micros, one.values) for one in match.facts)
    )


def _public(alert: Alert) -> dict[str, Any]:
    return {
        "alertId": alert.alert_id,
        "org": alert.org,
        "at": clock.utc_text(alert.at),
        "subject": alert.subject,
        "severity": alert.severity,
        "title": alert.title,
        "message": alert.message,
        "closingEventId": identity_text(alert.about[0]),
    }
