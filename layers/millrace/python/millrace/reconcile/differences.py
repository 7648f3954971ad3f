"""Events that are missing somewhere: the facts about each are looked up, it is judged, and what can be repaired is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from millrace.contracts.registry import Registry
from millrace.core import clock, keys
from millrace.core.errors import PermanentError
from millrace.core.identity import as_text
from millrace.core.table import Item, Table
from millrace.eventstore import receipts
from millrace.eventstore.codec import Codec
from millrace.eventstore.consumers import ConsumerSpec
from millrace.eventstore.projection import to_pointer
from millrace.eventstore.row import from_item
from millrace.reconcile import stores
from millrace.reconcile.compare import (
    EVENTS,
    OWNED,
    POINTERS,
    RAW,
    SILVER,
    Presence,
    filled_by,
    missing,
)
from millrace.reconcile.judge import EventFacts, Verdict, judge
from millrace.reconcile.repair import Repairs
from millrace.reconcile.request import SETTLE
from millrace.reconcile.results import PastRepairs, ResultStore
from millrace.reconcile.stores import SetAside, UntypedEvents

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What holds of a tenant's day.

    Attributes:
        org: the tenant.
        day: UTC.
        now: the present moment.
        waiting: for silver, as `EventFacts` has it.
        in_silver: type and id of the events that a second look found there.
    """

    org: str
    day: str
    now: datetime
    waiting: str
    in_silver: set[tuple[str | None, bytes]] = field(default_factory=set)


class Differences:
    """Looks up, judges and repairs events, some hundred at a time."""

    def __init__(
        self,
        registry: Registry,
        set_aside: SetAside,
        results: ResultStore,
        repairs: Repairs,
        *,
        events: Table,
        user_events: Table,
    ) -> None:
        self._registry, self._codec = registry, Codec(registry.dictionary)
        self._set_aside, self._results, self._repairs = set_aside, results, repairs
        self._events, self._user_events = events, user_events

    def resolve(self, day: DayFacts, some: Sequence[Presence]) -> Iterator[tuple[Presence, int, Verdict]]:
        """Each event with the stores that it is in after all, and the verdict; its repair has been made.

        Raises:
            MillraceError: a store did not answer.
        """
        if not some:
            return
        untyped = self._set_aside.of_silver(day.org, day.day)
        dead_letters = _DeadLettersByDay(self._set_aside, day.org)
        for start in range(0, len(some), AT_ONCE):
            yield from self._resolve(day, some[start : start + AT_ONCE], dead_letters, untyped)

    def _resolve(
        self,
        day: DayFacts,
        some: Sequence[Presence],
        dead_letters: "_DeadLettersByDay",
        untyped: UntypedEvents,
    ) -> Iterator[tuple[Presence, int, Verdict]]:
        ids = {one.id for one in some}
        rows, past = self._rows(day.org, ids), self._results.past_repairs(day.org, day.day, ids)
        pointers = self._pointers(rows, some)
        judged: list[tuple[Presence, int, Verdict]] = []
        for one in some:
            event = replace(one, mask=one.mask | POINTERS) if pointers.get(one.id) else one
            row, before = rows.get(event.id), past.get(event.id)
            facts = EventFacts(
                received_at=None if row is None else clock.parse(row["receivedAt"]["S"]),
                # For an event that is in raw, its mask has this already.
                owned=event.id in pointers,
                untyped=event.id in untyped,
                in_silver=(event.event_type, event.id) in day.in_silver,
                waiting=day.waiting,
                outlived=day.day < receipts.whole_from(day.now),
                repairs=0 if before is None else before.count,
                repaired_lately=before is not None and before.last_at > day.now - SETTLE,
            )
            facts = replace(facts, dead_letters=dead_letters.of(event, facts, before, day.day))
            mask = event.mask | (EVENTS if row is not None else 0) | (OWNED if facts.owned else 0)
            mask |= SILVER if facts.in_silver else 0
            judged.append((_placed(event, row), mask, judge(event.mask, facts, day.now - SETTLE)))
        self._repair(day, judged, rows, past)
        yield from judged

    def _rows(self, org: str, ids: set[bytes]) -> dict[bytes, Item]:
        """The events' rows, of those that have one."""
        by_key = {keys.event(org, as_text(one)): one for one in ids}
        wanted = [{"eventId": {"S": key}} for key in by_key]
        rows = self._events.batch_get(wanted, consistent=True, doing="read rows")
        return {by_key[row["eventId"]["S"]]: row for row in rows}

    def _pointers(self, rows: Mapping[bytes, Item], some: Sequence[Presence]) -> dict[bytes, bool]:
        """Of the events that raw has lost and that should have a pointer: whether it is there."""
        wanted: dict[bytes, stores.Pointer] = {}
        for event in some:
            if event.id in rows and not event.mask & RAW:
                pointer = self._pointer(rows[event.id])
                if pointer is not None:
                    wanted[event.id] = (pointer["userKey"]["S"], pointer["sortKey"]["S"])
        if not wanted:
            return {}
        present = stores.pointers(self._user_events, set(wanted.values()))
        return {one: key in present for one, key in wanted.items()}

    def _pointer(self, row: Item) -> Item | None:
        try:
            event = from_item(row, self._codec)
            return to_pointer(event, self._registry.of_ref(event.envelope["platform"]["contract"]))
        except (PermanentError, KeyError):
            # A dictionary or a contract that is not deployed here: the projection cannot read it either.
            return None

    def _repair(
        self,
        day: DayFacts,
        judged: Sequence[tuple[Presence, int, Verdict]],
        rows: Mapping[bytes, Item],
        past: Mapping[bytes, PastRepairs],
    ) -> None:
        wanted = {event.id: verdict.repair for event, _, verdict in judged if verdict.repair}
        if not wanted:
            return
        # First, so that a repair that is cut off is counted: nothing is repaired for ever.
        counts = {one: 1 + (past[one].count if one in past else 0) for one in wanted}
        self._results.count_repairs(day.org, day.day, counts, day.now)
        self._repairs.make(day.org, day.day, wanted, rows, day.now)


class _DeadLettersByDay:
    """Which consumers have set an event aside. The dead letters of each consumer's day are read once."""

    def __init__(self, set_aside: SetAside, org: str) -> None:
        self._set_aside, self._org = set_aside, org
        self._read: dict[tuple[str, date], set[bytes]] = {}

    def of(self, event: Presence, facts: EventFacts, past: PastRepairs | None, day: str) -> frozenset[str]:
        """The names of the consumers that fill a store which lacks the event, and have set it aside."""
        absent = missing(event.mask)
        if facts.owned and not event.mask & POINTERS:
            absent |= POINTERS
        consumers = [consumer for consumer, fills in filled_by() if absent & fills]
        # Its record came when it was received, or when it was put into the log again; at night a day later.
        moments = [facts.received_at] if facts.received_at is not None else []
        moments += [past.last_at] if past is not None else []
        days = {clock.utc_day(moment) for moment in moments} or {date.fromisoformat(day)}
        days |= {one + timedelta(days=1) for one in days}
        return frozenset(
            consumer.name
            for consumer in consumers
            if any(event.id in self._of(consumer, one) for one in sorted(days))
        )

    def _of(self, consumer: ConsumerSpec, day: date) -> set[bytes]:
        key = (consumer.name, day)
        if key not in self._read:
            self._read[key] = self._set_aside.of_consumer(consumer, self._org, day)
        return self._read[key]


def _placed(event: Presence, row: Item | None) -> Presence:
    """An event that only receipts have, with the type and hour of its row."""
    if event.event_type is not None or row is None:
        return event
    return Presence(row["eventType"]["S"], int(row["sortKey"]["S"][11:13]), event.id, event.mask)
