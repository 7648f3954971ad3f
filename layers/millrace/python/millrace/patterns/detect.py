"""The consumer that finds patterns in events as they come.

A step of a pattern that needs several is kept by its key, and the key's steps are judged as they are then: whoever comes
last sees them all, and an alert is the same whoever raises it. What is found behind an event that something has to follow
sets a timer (`patterns/sweep.py`). The event that was missing ends the alert, if it comes after all.

Events that are redriven, or came long after they had happened, are kept, so that others find them, and raise and set nothing:
what they say is past.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from millrace.alerts.alert import GRACE, Alert, is_past
from millrace.alerts.raising import Alerts
from millrace.core import clock, keys
from millrace.core.consumer import REDRIVEN, Delivery
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import StoredEvent, from_item
from millrace.patterns import alerting
from millrace.patterns.definition import ABSENCE, KIND, Pattern
from millrace.patterns.judge import Match, matches
from millrace.patterns.reading import Hit, Reader
from millrace.patterns.state import MOST_FACTS, PatternState
from millrace.patterns.timers import Timer, Timers

# How long a batch that comes late holds the timers back; while others come late, they do so again.
_HOLD = timedelta(minutes=2)
# Tenant, pattern, key.
_Place = tuple[str, str, str]


class PatternDetector:
    """Finds the patterns of all tenants."""

    def __init__(
        self,
        reader: Reader,
        state: PatternState,
        timers: Timers,
        alerts: Alerts,
        events: Table,
        codec: Codec,
        now: Callable[[], datetime] = clock.now,
        *,
        passed_over: Callable[[int], object] = int,
        cut: Callable[[int], object] = int,
    ) -> None:
        """Makes no call.

        Args:
            reader: tells which steps events are.
            state: keeps them.
            timers: of absences.
            alerts: raises what is found.
            events: the events, for a closing one that came in an earlier batch.
            codec: reads them.
            now: the clock.
            passed_over: takes how many matches of a batch are past.
            cut: takes for how many keys not all of their steps were looked at.
        """
        self._passed_over, self._cut = passed_over, cut
        self._reader, self._state, self._timers, self._alerts = reader, state, timers, alerts
        self._events, self._codec, self._now = events, codec, now
        self._held = datetime.min.replace(tzinfo=clock.EPOCH.tzinfo)

    def detect(self, deliveries: Sequence[Delivery]) -> None:
        """Takes a batch in.

        Raises:
            PermanentError: a delivery holds no row of an event.
            RetryableError: a table did not answer; the batch has to be delivered again.
        """
        wanted = [one for one in deliveries if self._reader.wants(one.item["eventType"]["S"])]
        fresh = [one for one in deliveries if REDRIVEN not in one.record]
        if fresh:
            self._mind_lag(min(one.arrived_at for one in fresh))
        kept: list[tuple[str, Hit]] = []
        found: list[tuple[StoredEvent, Hit]] = []
        for delivery in wanted:
            event = from_item(delivery.item, self._codec)
            hits = [*self._reader.hits(event)]
            kept += [(event.org, hit) for hit in hits if not hit.missing and hit.pattern.keeps_state]
            if REDRIVEN not in delivery.record:
                found += [(event, hit) for hit in hits]
        self._state.add(kept)
        # Timers before alerts, and both before ends: whatever fails, the batch comes again.
        matched = [*self._closed(found)]
        closed = [one for one in matched if not _is_past(one[3])]
        self._timers.set([_timer(*one) for one in closed if one[1].kind == ABSENCE])
        self._alerts.raise_all([self._alert(*one) for one in closed if one[1].kind != ABSENCE])
        self._end([(event, hit) for event, hit in found if hit.missing])
        if len(closed) < len(matched):
            self._passed_over(len(matched) - len(closed))

    def _mind_lag(self, oldest: datetime) -> None:
        now = self._now()
        if now - oldest > GRACE and self._held < now + _HOLD / 2:
            self._held = now + _HOLD
            self._timers.hold(self._held)

    def _closed(
        self, found: Sequence[tuple[StoredEvent, Hit]]
    ) -> Iterator[tuple[str, Pattern, str, Match, StoredEvent | None]]:
        """The matches that the events of a batch are part of, each with its closing event if that is in the batch."""
        places: dict[_Place, list[tuple[StoredEvent, Hit]]] = {}
        for event, hit in found:
            if not hit.missing:
                places.setdefault((event.org, hit.pattern.ref, hit.key), []).append((event, hit))
        for (org, _, key), hits in places.items():
            pattern = hits[0][1].pattern
            events = {hit.fact.event_id: event for event, hit in hits}
            for match in self._matches(org, pattern, key, [hit for _, hit in hits]):
                if any(fact.event_id in events for fact in match.facts):
                    yield org, pattern, key, match, events.get(match.closing.event_id)

    def _matches(self, org: str, pattern: Pattern, key: str, hits: Sequence[Hit]) -> Iterator[Match]:
        if not pattern.keeps_state:
            return (Match((hit.fact,)) for hit in hits)
        moments = [hit.fact.micros for hit in hits]
        facts = [*self._state.around(org, pattern, key, min(moments), max(moments))]
        if len(facts) == MOST_FACTS:
            self._cut(1)
        return matches(pattern, facts)

    def _alert(self, org: str, pattern: Pattern, key: str, match: Match, cause: StoredEvent | None) -> Alert:
        """The closing event lends an alert its user, session and correlation, whoever comes last."""
        if cause is None:
            place = {"eventId": {"S": keys.event(org, match.closing.event_id)}}
            row = self._events.get(place, consistent=True, doing="read closing event")
            cause = None if row is None else from_item(row, self._codec)
        return alerting.of_match(org, pattern, key, match, cause)

    def _end(self, missing: Sequence[tuple[StoredEvent, Hit]]) -> None:
        """Ends the alerts whose missing event has come after all."""
        by_subject: Mapping[tuple[str, str, str, str], tuple[StoredEvent, Hit]] = {
            (event.org, KIND, hit.pattern.name, hit.pattern.subject(hit.key)): (event, hit)
            for event, hit in sorted(missing, key=lambda one: one[1].fact.place)
        }
        for subject, (alert_id, since) in self._alerts.open_ones([*by_subject]).items():
            event, _ = by_subject[subject]
            if event.happened_at > since:
                self._alerts.end(*subject, reason="late", alert_id=alert_id, observed=1, cause=event)


def _is_past(match: Match) -> bool:
    closing = match.closing
    return is_past(clock.from_epoch_micros(closing.micros), clock.from_epoch_micros(closing.received))


def _timer(org: str, pattern: Pattern, key: str, match: Match, cause: StoredEvent | None) -> Timer:  # noqa: ARG001
    return Timer.behind(org, pattern, key, match.closing.event_id, match.closing.micros)
