"""From what was read to what it means: raw into the ledger, and the ledger into hours and events to be looked at closer. Pure."""

from collections.abc import Iterator, Sequence, Set

from millrace.reconcile.compare import POINTERS, RAW, SILVER, Entry, Ledger, missing
from millrace.reconcile.judge import Status
from millrace.reconcile.outcome import Cell
from millrace.reconcile.raw_objects import RawObject
from millrace.reconcile.window import HOURS, Window

# Events that are looked at closer in one go; the next pass takes those behind them.
MOST_SUSPECTS = 200_000
_ID_BYTES = 16
Cells = dict[tuple[str, int], Cell]


class Taken:
    """Brings events of raw into the ledger, with their pointers; and the types that there were."""

    def __init__(self, ledger: Ledger, window: Window, now: int) -> None:
        self._ledger, self._window, self._now = ledger, window, now
        self.types: set[str] = set()

    def take(self, one: RawObject, there: Set[tuple[str, str]] | None, mark: int = 0) -> None:
        """Takes an object's events.

        Args:
            one: the object.
            there: the pointers that are there; None: all.
            mark: more bits of each.
        """
        pointers = iter(one.pointers)
        found: dict[tuple[int, str], list[tuple[int, bytes]]] = {}
        for event in one.events:
            source = event.source(self._now) | mark
            if event.owned and (there is None or next(pointers) in there):
                source |= POINTERS
            found.setdefault((source, event.event_type), []).append((event.hour, event.id))
        for (source, event_type), events in found.items():
            self.types.add(event_type)
            self._ledger.add(source, event_type, within(events, self._window))


def compared(
    ledger: Ledger, window: Window, waiting: str, dangling: dict[str, bytes]
) -> tuple[Cells, list[Entry], set[bytes]]:
    """What is equal or waits, by hour and type; what is to be looked at closer; and ids of `dangling` that raw has not."""
    wanted = {one for ids in dangling.values() for one in cut(ids)}
    lost: set[bytes] = set()
    cells: Cells = {}
    suspects: list[Entry] = []
    for entry in ledger.entries():
        if entry.id in wanted and not entry.mask & RAW:
            lost.add(entry.id)
        if entry.event_type is None:
            # Of some hours alone the rest of the manifest's day is unknown, and no difference.
            if window.whole and len(suspects) < MOST_SUSPECTS:
                suspects.append(entry)
            continue
        absent, cell = missing(entry.mask), cell_of(cells, entry.event_type, entry.hour)
        if not absent:
            cell.count(entry.mask)
        elif absent == SILVER and waiting == "soon":
            cell.leave(entry.mask, absent, Status.EXPLAINED)
        elif len(suspects) < MOST_SUSPECTS:
            suspects.append(entry)
        else:
            cell.leave(entry.mask, absent, Status.OPEN)
    return cells, suspects, lost


def within(events: Sequence[tuple[int, bytes]], window: Window) -> Sequence[tuple[int, bytes]]:
    """Those of a window's hours."""
    if (window.first, window.last) == (0, HOURS):
        return events
    return [event for event in events if window.first <= event[0] < window.last]


def cut(ids: bytes) -> Iterator[bytes]:
    """The ids of a row of the manifest."""
    return (ids[at : at + _ID_BYTES] for at in range(0, len(ids), _ID_BYTES))


def cell_of(cells: Cells, event_type: str, hour: int) -> Cell:
    """The hour of a type, made where it is not there yet."""
    return cells.setdefault((event_type, hour), Cell(event_type, hour))
