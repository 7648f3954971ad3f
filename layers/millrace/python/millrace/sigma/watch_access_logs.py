"""Sigma rules over the gateway's access log: the objects that came to the lake since the last look, the oldest hour first.

An object is asked once: `platform#access-watched#0` of Metadata has a row `<hour>#<digest>` with the names of those that were asked
together, written behind their alerts. Whoever is killed before that asks the same objects again, and finds the same
alerts, which are raised once; so do two runs at once. The row `position` says from which hour on there are such rows, and when a run had asked
all there was: objects of three days before that are looked for, for an object may come late. The past before the first look is not told.

A correlation is asked of the new lines among those that lie around them. Of all lines only those that are a step of a correlation are
kept, so a run takes memory for these.
"""

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

import orjson

from millrace.alerts.alert import Alert
from millrace.audit import access_logs
from millrace.audit.store import PLATFORM
from millrace.core import clock, keys
from millrace.core.errors import MillraceError, PermanentError
from millrace.core.objects import Objects
from millrace.core.prefixes import ACCESS_LOGS
from millrace.core.table import Item, Table
from millrace.eventstore.row import StoredEvent
from millrace.patterns.reading import Reader
from millrace.sigma import gateway_lines
from millrace.sigma.line_source import LineRules, rounds

# What is asked together, and marked as asked.
MOST_LINES = 50_000
MOST_OBJECTS = 5_000
# Lines of a tenant that correlations look back at, those that are a step of one.
MOST_CONTEXT = 20_000
FIRST_LOOK = timedelta(hours=1)
# Lambda tries a batch again for six hours; what failed then is fed again by hand.
LATE = timedelta(days=3)
# Objects lie for a year.
_KEPT = timedelta(days=400)
_HOUR = timedelta(hours=1)
_WATCHED = keys.metadata(PLATFORM, "access-watched", "0")
_POSITION = "position"
_KEY = re.compile(
    re.escape(ACCESS_LOGS)
    + r"date=(\d{4}-\d{2}-\d{2})/hour=(\d{2})/([0-9a-f]{32})"
    + re.escape(access_logs.SUFFIX)
)


@dataclass(slots=True)
class Asked:
    """What a run did.

    Attributes:
        objects: that were asked.
        lines: that were asked.
        odd: what is no line of a call.
        unreadable: objects that could not be unpacked; they are not asked again.
        alerts: that were found, the open ones included.
        failed: tenants whose alerts could not be raised; the objects are asked again the next time.
        left: objects, for want of time.
    """

    objects: int = 0
    lines: int = 0
    odd: int = 0
    unreadable: int = 0
    alerts: int = 0
    failed: list[str] = field(default_factory=list)
    left: int = 0


class Found(NamedTuple):
    """An object of the log: the hour of its lines, when it was written, its key and its name in it."""

    hour: datetime
    modified: datetime
    key: str
    name: bytes


def listed(lake: Objects, since: datetime) -> Iterator[Found]:
    """The objects of the hours from one on, in the order of hours."""
    first = access_logs.hour_prefix(since)
    for one in lake.list_objects(ACCESS_LOGS, after=first, doing="list access logs"):
        if (parts := _KEY.fullmatch(one.key)) is not None:
            day, hour, name = parts.groups()
            yield Found(clock.parse(f"{day}T{hour}:00:00Z"), one.modified, one.key, bytes.fromhex(name))


def events(lake: Objects, one: Found) -> Iterator[StoredEvent | None]:
    """The lines of an object as events; None for what is no line of a call.

    Raises:
        PermanentError: it cannot be unpacked.
        MillraceError: the lake did not answer.
    """
    for number, text in enumerate(access_logs.lines(lake.get(one.key, doing="read access log"))):
        try:
            line = orjson.loads(text)
        except ValueError:
            yield None
            continue
        yield gateway_lines.event(line, one.hour, f"{one.key}#{number}")


@dataclass(slots=True)
class Steps:
    """Lines that are a step of a correlation, each once: of a tenant the latest ones that came, at most so many; None: all."""

    rules: LineRules
    most: int | None = MOST_CONTEXT
    by_org: dict[str, deque[StoredEvent]] = field(default_factory=dict)
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = Reader(self.rules.patterns, self.rules.contract)

    def take(self, event: StoredEvent) -> None:
        """Keeps a line, if it is a step."""
        if next(self.reader.hits(event), None) is not None:
            self.by_org.setdefault(event.org, deque(maxlen=self.most)).append(event)

    def ordered(self) -> list[StoredEvent]:
        """All of them, in the order of time."""
        return in_order(one for several in self.by_org.values() for one in several)

    def forget(self, before: datetime) -> None:
        """Forgets what happened before a moment."""
        first = clock.utc_text(before)
        for org, several in [*self.by_org.items()]:
            kept = [one for one in several if one.envelope["timestamp"] >= first]
            if kept:
                self.by_org[org] = deque(kept, maxlen=self.most)
            else:
                del self.by_org[org]


def in_order(several: Iterable[StoredEvent]) -> list[StoredEvent]:
    """Lines in the order of time, each once."""
    once = {one.event_id: one for one in several}
    return sorted(once.values(), key=lambda one: (one.envelope["timestamp"], one.event_id))


@dataclass(frozen=True, slots=True)
class AccessWatch:
    """Asks what came.

    Attributes:
        lake: where the log is.
        metadata: where it stands what was asked.
        rules: that lines are asked.
        raise_all: takes alerts; one that it has taken before changes nothing.
        log: takes a sentence.
    """

    lake: Objects
    metadata: Table
    rules: LineRules
    raise_all: Callable[[Sequence[Alert]], object]
    log: Callable[[str], object]

    def run(self, now: datetime, seconds_left: Callable[[], float]) -> Asked:
        """Asks every object that was not asked yet.

        Raises:
            MillraceError: lake or table did not answer; what was marked as asked stays so.
        """
        asked, position = Asked(), self._position(now)
        since, at = position
        first = max(since, hour_of(at - LATE))
        seen = self._seen(first)
        hours: dict[datetime, list[Found]] = {}
        # What lies right before the first hour may belong to what came.
        for one in listed(self.lake, first - self._reach()):
            hours.setdefault(one.hour, []).append(one)
        for several in hours.values():
            several.sort(key=lambda one: (one.modified, one.key))
        new = {
            hour: came
            for hour, several in sorted(hours.items())
            if hour >= first and (came := [one for one in several if one.name not in seen.get(hour, ())])
        }
        self._ask_hours(new, hours, asked, seconds_left)
        if not asked.left and not asked.failed:
            self._keep_position(since, now)
        return asked

    def _ask_hours(
        self,
        new: Mapping[datetime, Sequence[Found]],
        hours: Mapping[datetime, Sequence[Found]],
        asked: Asked,
        seconds_left: Callable[[], float],
    ) -> None:
        steps, in_steps = Steps(self.rules), set[str]()
        waiting = sum(map(len, new.values()))
        later = {one.key for came in new.values() for one in came}
        for hour, came in new.items():
            if seconds_left() > 0:
                self._look_around(hour, hours, later, steps, in_steps)
            left = [*came]
            while left:
                if seconds_left() <= 0:
                    asked.left = waiting
                    return
                part = self._ask(left, steps, asked)
                in_steps |= {one.key for one in part}
                later -= {one.key for one in part}
                left = left[len(part) :]
                waiting -= len(part)

    def _look_around(
        self,
        hour: datetime,
        hours: Mapping[datetime, Sequence[Found]],
        later: set[str],
        steps: Steps,
        in_steps: set[str],
    ) -> None:
        """Keeps the steps among the lines that lie around an hour, of objects that were asked already."""
        if not self.rules.patterns:
            return
        reach = self._reach()
        steps.forget(hour - reach)
        for near, several in sorted(hours.items()):
            if hour - reach <= near <= hour + reach:
                for one in several:
                    if one.key not in later and one.key not in in_steps:
                        in_steps.add(one.key)
                        for event in self._read(one, Asked()):
                            steps.take(event)

    def _ask(self, left: Sequence[Found], steps: Steps, asked: Asked) -> list[Found]:
        """Asks the first objects of an hour, and marks them; returns which."""
        part, lines = list[Found](), dict[str, StoredEvent]()
        for one in left[:MOST_OBJECTS]:
            part.append(one)
            lines |= {event.event_id: event for event in self._read(one, asked)}
            if len(lines) >= MOST_LINES:
                break
        events = in_order(lines.values())
        alerts = self.rules.matches(events)
        if self.rules.patterns and events:
            for event in events:
                steps.take(event)
            # A late line may be the one that an older one lacked: all that follows its moment is told, what was told before changes nothing.
            first = clock.parse(events[0].envelope["timestamp"])
            alerts += (one for one in self.rules.joined(steps.ordered()) if one.at >= first)
        asked.objects += len(part)
        asked.lines += len(events)
        if self._raise(sorted(alerts, key=lambda one: one.at), asked):
            self._mark(part)
        return part

    def _read(self, one: Found, asked: Asked) -> Iterator[StoredEvent]:
        try:
            for event in events(self.lake, one):
                if event is None:
                    asked.odd += 1
                else:
                    yield event
        except PermanentError as error:
            asked.unreadable += 1
            self.log(f"{one.key}: {error}")

    def _raise(self, alerts: Sequence[Alert], asked: Asked) -> bool:
        """Raises each tenant's alerts; whether all of them are raised."""
        whole, of = True, lambda one: one.org
        for org, several in groupby(sorted(alerts, key=of), of):
            try:
                for turn in rounds([*several]):
                    self.raise_all(turn)
                    asked.alerts += len(turn)
            except MillraceError as error:
                whole = False
                if org not in asked.failed:
                    asked.failed.append(org)
                self.log(f"{org}: {error}")
        return whole

    def _reach(self) -> timedelta:
        """How far around an hour lines may lie that belong to its own, in whole hours."""
        return -(-self.rules.reach // _HOUR) * _HOUR

    def _position(self, now: datetime) -> tuple[datetime, datetime]:
        """From which hour on objects are asked, and when a run had asked all there was."""
        row = self.metadata.get(
            _place(_POSITION), consistent=True, doing="read how far the access log was asked"
        )
        if row is not None:
            return clock.parse(row["since"]["S"]), clock.parse(row["at"]["S"])
        since = hour_of(now - FIRST_LOOK)
        self._keep_position(since, since)
        return since, since

    def _keep_position(self, since: datetime, at: datetime) -> None:
        self.metadata.put(
            {
                **_place(_POSITION),
                "since": {"S": clock.utc_text(since)},
                "at": {"S": clock.utc_text(at)},
            },
            # Of two runs at once the one that is further stands.
            condition="attribute_not_exists(entityTypeKey) OR #at <= :at",
            names={"#at": "at"},
            values={":at": {"S": clock.utc_text(at)}},
            doing="keep how far the access log was asked",
        )

    def _seen(self, first: datetime) -> dict[datetime, set[bytes]]:
        """Hour → the names of objects that were asked."""
        seen: dict[datetime, set[bytes]] = {}
        rows = self.metadata.query(
            "entityTypeKey = :key AND entityId BETWEEN :first AND :last",
            {
                ":key": {"S": _WATCHED},
                ":first": {"S": _text(first)},
                # Behind every hour, and before `position`.
                ":last": {"S": "9"},
            },
            consistent=True,
            doing="read what was asked of the access log",
        )
        for row in rows:
            names = row["names"]["B"]
            hour = clock.parse(f"{row['entityId']['S'].partition('#')[0]}:00:00Z")
            seen.setdefault(hour, set()).update(names[at : at + 16] for at in range(0, len(names), 16))
        return seen

    def _mark(self, part: Sequence[Found]) -> None:
        names = b"".join(sorted(one.name for one in part))
        row: Item = {
            **_place(f"{_text(part[0].hour)}#{hashlib.sha256(names).hexdigest()[:16]}"),
            "names": {"B": names},
            "expiresAt": {"N": str(clock.epoch(part[0].hour + _KEPT))},
        }
        self.metadata.put(row, doing="mark what was asked of the access log")


def _place(name: str) -> Item:
    return {"entityTypeKey": {"S": _WATCHED}, "entityId": {"S": name}}


def hour_of(moment: datetime) -> datetime:
    """The beginning of its hour, UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _text(hour: datetime) -> str:
    return f"{hour:%Y-%m-%dT%H}"
