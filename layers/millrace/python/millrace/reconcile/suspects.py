"""Events that are missing somewhere: what is known of each is looked up, judged, and what can be repaired is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from millrace.contracts.errors import UnknownType, UnknownVersion
from millrace.contracts.registry import Registry
from millrace.core import clock, keys
from millrace.core.errors import PermanentError
from millrace.eventstore.codec import Codec
from millrace.eventstore.projection import to_pointer
from millrace.eventstore.row import Item, from_item
from millrace.reconcile import tables
from millrace.reconcile.compare import EVENTS, MANIFEST, OWNED, POINTERS, RAW, SILVER, Entry, missing, to_text
from millrace.reconcile.dead import Letters, Untyped
from millrace.reconcile.judge import LOG, PROJECT, REOPEN, Facts, Verdict, judge
from millrace.reconcile.repair import Repairs
from millrace.reconcile.results import Results, Tried
from millrace.reconcile.window import SETTLE

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Day:
    """Whose suspects they are.

    Attributes:
        settled: what was received before this moment has had its time.
        waiting: for silver, as `judge` takes it.
        in_silver: type and id of those that a second look found there.
    """

    org: str
    day: str
    settled: datetime
    now: datetime
    waiting: str
    in_silver: set[tuple[str | None, bytes]] = field(default_factory=set)


class Suspects:
    """Looks up, judges and repairs, some hundred at a time."""

    def __init__(
        self,
        dynamodb: Any,
        registry: Registry,
        letters: Letters,
        results: Results,
        repairs: Repairs,
        *,
        events_table: str,
        user_events_table: str,
    ) -> None:
        self._dynamodb, self._registry, self._codec = dynamodb, registry, Codec(registry.dictionary)
        self._letters, self._results, self.repairs = letters, results, repairs
        self._table, self._user_events = events_table, user_events_table

    def settle(self, day: Day, suspects: Sequence[Entry]) -> Iterator[tuple[Entry, int, Verdict]]:
        """Each with the stores that it is in after all, and the verdict; what was to be done for it is done.

        Raises:
            MillraceError: a store did not answer.
        """
        if not suspects:
            return
        untyped = self._letters.of_silver(day.org, day.day)
        letters = _Letters(self._letters, day.org)
        for start in range(0, len(suspects), AT_ONCE):
            yield from self._some(day, suspects[start : start + AT_ONCE], letters, untyped)

    def _some(
        self, day: Day, some: Sequence[Entry], letters: "_Letters", untyped: Untyped
    ) -> Iterator[tuple[Entry, int, Verdict]]:
        rows = self._rows(day.org, {one.id for one in some})
        tried = self._results.tried(day.org, day.day, {one.id for one in some})
        pointers = self._pointers(rows, some)
        judged: list[tuple[Entry, int, Verdict]] = []
        for found in some:
            entry = found
            if pointers.get(found.id):
                entry = replace(found, mask=found.mask | POINTERS)
            row, before = rows.get(entry.id), tried.get(entry.id)
            facts = Facts(
                received_at=None if row is None else clock.parse(row["receivedAt"]["S"]),
                # Raw has said it of what is in raw.
                owned=entry.id in pointers,
                untyped=entry.id in untyped,
                in_silver=(entry.event_type, entry.id) in day.in_silver,
                waiting=day.waiting,
                tries=0 if before is None else before.times,
                tried_lately=before is not None and before.at > day.now - SETTLE,
            )
            facts = replace(facts, letters=letters.about(entry, facts, before, day.day))
            mask = entry.mask | (EVENTS if row is not None else 0) | (OWNED if facts.owned else 0)
            mask |= SILVER if facts.in_silver else 0
            judged.append((_placed(entry, row), mask, judge(entry.mask, facts, day.settled)))
        self._repair(day, judged, rows, tried)
        yield from judged

    def _pointers(self, rows: dict[bytes, Item], some: Sequence[Entry]) -> dict[bytes, bool]:
        """Of those that raw has lost and that should have a pointer: whether it is there."""
        wanted: dict[bytes, tables.Pointer] = {}
        for entry in some:
            if entry.id in rows and not entry.mask & RAW:
                pointer = self._pointer(rows[entry.id])
                if pointer is not None:
                    wanted[entry.id] = (pointer["userKey"]["S"], pointer["sortKey"]["S"])
        if not wanted:
            return {}
        found = tables.pointers(self._dynamodb, self._user_events, set(wanted.values()))
        return {one: key in found for one, key in wanted.items()}

    def _pointer(self, row: Item) -> Item | None:
        try:
            event = from_item(row, self._codec)
            return to_pointer(event, self._registry.of_ref(event.envelope["platform"]["contract"]))
        except (PermanentError, UnknownType, UnknownVersion, KeyError):
            # A dictionary or a contract that is not deployed here: nobody can project it either.
            return None

    def _repair(
        self,
        day: Day,
        judged: Sequence[tuple[Entry, int, Verdict]],
        rows: dict[bytes, Item],
        tried: dict[bytes, Tried],
    ) -> None:
        todo = {entry.id: verdict.repair for entry, _, verdict in judged if verdict.repair}
        if not todo:
            return
        # First, so that what is cut off here counts as tried: nothing is tried for ever.
        times = {one: 1 + (tried[one].times if one in tried else 0) for one in todo}
        self._results.keep_tried(day.org, day.day, times, day.now)
        if again := [rows[one] for one, repair in todo.items() if repair & LOG]:
            self.repairs.into_log(again)
        if pointers := [rows[one] for one, repair in todo.items() if repair & PROJECT]:
            self.repairs.project(pointers, day.now)
        if any(repair & REOPEN for repair in todo.values()):
            self.repairs.reopen(day.org, day.day, day.now)

    def _rows(self, org: str, ids: set[bytes]) -> dict[bytes, Item]:
        by_key = {keys.event(org, to_text(one)): one for one in ids}
        wanted = [{"eventId": {"S": key}} for key in by_key]
        return {by_key[row["eventId"]["S"]]: row for row in tables.rows(self._dynamodb, self._table, wanted)}


class _Letters:
    """Which consumers have set an event aside: of each day that a record of it may have come on, asked once."""

    def __init__(self, letters: Letters, org: str) -> None:
        self._letters, self._org = letters, org
        self._found: dict[tuple[str, date], dict[bytes, str]] = {}

    def about(self, entry: Entry, facts: Facts, tried: Tried | None, day: str) -> frozenset[str]:
        absent = missing(entry.mask)
        consumers = ["archive_events"] if absent & (MANIFEST | RAW) else []
        if absent & POINTERS or (facts.owned and not entry.mask & POINTERS):
            consumers.append("project_events")
        if not consumers:
            return frozenset()
        # It came when it was received, or when it was put into the log again; in the night a day later.
        moments = [facts.received_at] if facts.received_at is not None else []
        moments += [tried.at] if tried is not None else []
        days = [clock.utc_day(moment) for moment in moments] or [date.fromisoformat(day)]
        days += [one + timedelta(days=1) for one in days]
        return frozenset(
            name for name in consumers if any(entry.id in self._of(name, one) for one in set(days))
        )

    def _of(self, consumer: str, day: date) -> dict[bytes, str]:
        key = (consumer, day)
        if key not in self._found:
            self._found[key] = self._letters.of_consumer(consumer, self._org, day)
        return self._found[key]


def _placed(entry: Entry, row: Item | None) -> Entry:
    """An id that only the manifest has, with the type and hour of its row."""
    if entry.event_type is not None or row is None:
        return entry
    return Entry(row["eventType"]["S"], int(row["sortKey"]["S"][11:13]), entry.id, entry.mask)
