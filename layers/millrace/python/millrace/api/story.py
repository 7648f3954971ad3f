"""The story that events tell: oldest first, each with what it came from, what was decided on it, and what is still awaited."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from millrace.alerts.alert import ACKNOWLEDGED, ENDED, RAISED
from millrace.alerts.rows import AlertRows
from millrace.core import clock, keys, sizes
from millrace.core.identity import identity_text
from millrace.core.limits import Limit
from millrace.eventstore.reader import EventReader, Index
from millrace.eventstore.row import StoredEvent
from millrace.patterns.arrivals import Arrivals, last_moment
from millrace.patterns.definition import ABSENCE, Pattern
from millrace.patterns.reading import Reader
from millrace.patterns.timers import Timer, Timers
from millrace.privacy.reading import StoredBody

# A story is of so many events, the newest; `to` asks for those before.
MOST_EVENTS = 10_000
LIMITS = (Limit("events of a story", f"{MOST_EVENTS:,}", "the newest of them, and `leftOut.older`"),)
# Timers of a page of which the index is asked whether what they wait for has come, and the events of each that are looked
# through; the events of the page itself say it of any further ones.
MOST_ASKED, MOST_LOOKED_THROUGH = 20, 200
# Bytes that what is said of an event takes at most, but for an alert, which says of itself what its event says.
_ROOM = bytes(700)
_OF_ALERTS = (RAISED, ACKNOWLEDGED, ENDED)
Waiting = tuple[Timer, Pattern]
Personal = Callable[[Sequence[StoredBody]], list[bytes]]
Shown = Callable[[str, Sequence[dict[str, Any]], datetime], Sequence[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Step:
    """What is needed of an event, once its envelope is let go.

    Attributes:
        event_id: its identity, as keys have it.
        event_type: its type.
        at: its own moment.
        received_at: when it was accepted, or made by the platform.
        body: the envelope as JSON.
        cause: the id of the event that it was derived from; empty where there is none.
        decision: the id of the decision on it; None for what fraud does not score.
        alert: the id of the alert whose event it is; empty for any other event.
        timers: that it may have set, each with its pattern.
        ends: names and versions of patterns that wait for such an event, each with the event's key.
    """

    event_id: str
    event_type: str
    at: datetime
    received_at: datetime
    body: bytes
    cause: str
    decision: str | None
    alert: str
    timers: Sequence[Waiting]
    ends: Sequence[tuple[str, str]]

    @property
    def position(self) -> str:
        """In its story."""
        return keys.sort(self.at, self.event_id)

    @property
    def weight(self) -> bytes:
        """As long as its item at most."""
        return self.body + _ROOM + (self.body if self.alert else b"")


class Story:
    """Tells the events of a list as a story."""

    def __init__(
        self,
        reader: EventReader,
        decision_id: Callable[[StoredEvent], str | None],
        patterns: Reader,
        timers: Timers,
        alerts: AlertRows,
        shown: Shown,
    ) -> None:
        """Makes no call.

        Args:
            reader: of events.
            decision_id: gives the id of the fraud decision on an event; None for one that fraud does not score.
            patterns: says what an event has to be followed by.
            timers: those that are set.
            alerts: as they are now.
            shown: makes of alerts what the API says of each.
        """
        self._reader, self._decision_id = reader, decision_id
        self._patterns, self._timers, self._alerts, self._shown = patterns, timers, alerts, shown
        self._arrivals = Arrivals(reader, patterns)

    def page(
        self,
        org: str,
        index: Index,
        since: datetime | None,
        until: datetime | None,
        after: str | None,
        limit: int,
        *,
        with_alerts: bool,
        personal: Personal,
    ) -> tuple[list[orjson.Fragment], str | None, dict[str, bool]]:
        """A page: its items, the position behind which there are others, and what the story leaves out.

        Args:
            org: the tenant.
            index: by the reader's `of_correlation`, ….
            since: inclusive.
            until: exclusive.
            after: the position of the last event of the page before.
            limit: events at most.
            with_alerts: whether it has alerts, and what patterns wait for.
            personal: shows of stored events what the caller may see, in their order.

        Raises:
            MillraceError: a table did not answer.
        """
        told, has_older = self._reader.told(org, index, since, until, after, MOST_EVENTS)
        steps = (self._step(event, body, with_alerts) for event, body in told)
        wanted = (step for step in steps if with_alerts or not step.alert)
        page, more = sizes.fitting(wanted, limit, lambda step: step.weight)
        previous = None if after is None else clock.parse(after.partition(keys.SEPARATOR)[0])
        left_out = {"older": has_older, "alerts": not with_alerts}
        bodies = personal([StoredBody(step.event_type, step.body) for step in page])
        return [*self._items(org, page, previous, bodies)], page[-1].position if more else None, left_out

    def _step(self, event: StoredEvent, body: bytes, with_alerts: bool) -> _Step:
        platform, payload = event.envelope["platform"], event.envelope["data"]["payload"]
        found = self._patterns.hits(event) if with_alerts else ()
        hits = [hit for hit in found if hit.pattern.kind == ABSENCE]
        is_of_alert = event.event_type in _OF_ALERTS and platform["requestId"] == event.event_id
        return _Step(
            identity_text(event.event_id),
            event.event_type,
            event.happened_at,
            clock.parse(platform["receivedAt"]),
            body,
            platform.get("derivedFrom", ""),
            self._decision_id(event),
            payload["alertId"] if is_of_alert else "",
            [
                (
                    Timer.behind(event.org, hit.pattern, hit.key, hit.fact.event_id, hit.fact.micros),
                    hit.pattern,
                )
                for hit in hits
                if not hit.missing
            ],
            [(hit.pattern.ref, hit.key) for hit in hits if hit.missing],
        )

    def _items(
        self, org: str, page: Sequence[_Step], previous: datetime | None, bodies: Sequence[bytes]
    ) -> Iterator[orjson.Fragment]:
        causes = self._causes(org, page)
        decisions = self._reader.some(org, [step.decision for step in page if step.decision])
        some = self._alerts.some(org, [step.alert for step in page if step.alert])
        alerts = dict(zip(some, self._shown(org, [*some.values()], clock.now()), strict=True))
        awaits = self._awaits(page)
        for step, body in zip(page, bodies, strict=True):
            story: dict[str, Any] = {
                "sincePreviousMs": None if previous is None else _millis(previous, step.at),
                "lateMs": _millis(step.at, step.received_at),
                "cause": _cause(step, causes) if step.cause else None,
            }
            if step.decision is not None:
                story["decision"] = _decision(decisions.get(identity_text(step.decision)), step)
            if step.alert:
                story["alert"] = alerts.get(step.alert)
            awaited = [_awaited(*one) for one in step.timers if one[0] in awaits]
            if awaited:
                story["awaits"] = awaited
            previous = step.at
            # What was stored stands in the answer as it is, or as its caller may see it.
            yield orjson.Fragment(body[:-1] + b',"story":' + orjson.dumps(story) + b"}")

    def _awaits(self, page: Sequence[_Step]) -> Collection[Timer]:
        """The timers of a page that are set, and whose event has not come.

        A timer stays until it is due, whatever comes meanwhile.
        """
        waiting = {_name(one[0]): one for step in page for one in step.timers}
        still_set = map(_name, self._timers.still_set([timer for timer, _ in waiting.values()]))
        ends: dict[tuple[str, str], list[_Step]] = {}
        for step in page:
            for end in step.ends:
                ends.setdefault(end, []).append(step)
        left = [one for one in map(waiting.__getitem__, sorted(still_set)) if not _came(*one, ends)]
        asked, rest = left[:MOST_ASKED], left[MOST_ASKED:]
        missing = [one for one in asked if self._arrivals.in_time(*one, MOST_LOOKED_THROUGH) is False]
        return {timer for timer, _ in (*missing, *rest)}

    def _causes(self, org: str, page: Sequence[_Step]) -> Mapping[str, tuple[str, datetime]]:
        """Type and moment of the events that those of a page came from; of this page, or of anywhere in the tenant."""
        here = {step.event_id: (step.event_type, step.at) for step in page}
        others = {identity_text(step.cause) for step in page if step.cause} - here.keys()
        heads = self._reader.heads(org, sorted(others))
        return here | {name: (head.event_type, head.happened_at) for name, head in heads.items()}


def _cause(step: _Step, causes: Mapping[str, tuple[str, datetime]]) -> dict[str, Any]:
    """`elapsedMs` is below zero where the clocks of the two disagree."""
    event_type, at = causes.get(identity_text(step.cause), (None, None))
    return {
        "eventId": step.cause,
        "eventType": event_type,
        "timestamp": None if at is None else clock.utc_text(at),
        "elapsedMs": None if at is None else _millis(at, step.at),
    }


def _decision(decision: StoredEvent | None, step: _Step) -> dict[str, Any] | None:
    # Only what the platform itself derived from this event is its decision.
    if (
        decision is None
        or identity_text(decision.envelope["platform"].get("derivedFrom", "")) != step.event_id
    ):
        return None
    made = decision.envelope["data"]["payload"]
    return {
        "eventId": decision.event_id,
        **{name: made[name] for name in ("riskClass", "score", "decidedAt")},
    }


def _name(timer: Timer) -> str:
    """Of the timer's row; those due first are first."""
    return str(timer.row["tileKey"]["S"])


def _came(timer: Timer, pattern: Pattern, ends: Mapping[tuple[str, str], Sequence[_Step]]) -> bool:
    """Whether what a timer waits for is among the events of a page."""
    own = keys.sort(clock.from_epoch_micros(timer.micros), timer.event_id)
    last = last_moment(timer, pattern)
    return any(one.position > own and one.at <= last for one in ends.get((timer.pattern, timer.key), ()))


def _awaited(timer: Timer, pattern: Pattern) -> dict[str, Any]:
    return {
        "pattern": pattern.name,
        "eventTypes": [*pattern.missing.events] if pattern.missing is not None else [],
        "until": clock.utc_text(last_moment(timer, pattern)),
        "due": clock.utc_text(timer.due),
    }


def _millis(since: datetime, until: datetime) -> int:
    return round((until - since).total_seconds() * 1000)
