"""Fields of a tenant's events that look personal and are not protected, as runs have found them. Pure.

Of each field and kind the newest day counts in which it was seen. It is forgotten 90 days later, and at once where the contract protects it
or says that it holds such data on purpose.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from millrace.contracts import columns
from millrace.contracts.contract import PROTECTED, Contract
from millrace.runs.documents import Part

KEPT_DAYS = 90
# Of one dataset: about what an item of 100 KB holds.
MOST = 500


@dataclass(frozen=True, slots=True)
class Suspect:
    """A field that was seen to hold data of a kind in `events` of `looked` events of a UTC day."""

    pointer: str
    kind: str
    day: str
    events: int
    looked: int

    def to_json(self) -> dict[str, Any]:
        """As the catalog shows it, beside the column."""
        return {"kind": self.kind, "share": round(self.events / max(self.looked, 1), 4), "lastSeen": self.day}


def of_parts(parts: Iterable[Part]) -> list[Suspect]:
    """What was found in parts of one tenant and table; of a field and kind only the newest day.

    The buckets of a day are summed, those in which nothing was found as well.
    """
    looked: dict[str, int] = defaultdict(int)
    events: dict[tuple[str, str, str], int] = defaultdict(int)
    for part in parts:
        if part.day is not None:
            looked[part.day] += part.looked
            for one in part.suspected:
                events[one.pointer, one.kind, part.day] += one.events
    return _newest(
        Suspect(pointer, kind, day, count, looked[day]) for (pointer, kind, day), count in events.items()
    )


def merged(before: Sequence[Suspect], found: Sequence[Suspect], today: str) -> list[Suspect]:
    """What is known after a run; the same in whatever order runs are published.

    Args:
        before: what was known.
        found: by the run, which replaces what is known of its day.
        today: of the run, UTC.
    """
    oldest = (date.fromisoformat(today) - timedelta(days=KEPT_DAYS)).isoformat()
    return [one for one in _newest([*before, *found]) if one.day >= oldest][:MOST]


def _newest(suspects: Iterable[Suspect]) -> list[Suspect]:
    newest: dict[tuple[str, str], Suspect] = {}
    for one in suspects:
        known = newest.get((one.pointer, one.kind))
        if known is None or one.day >= known.day:
            newest[one.pointer, one.kind] = one
    return [newest[name] for name in sorted(newest)]


def by_column(suspects: Iterable[Suspect], contract: Contract) -> dict[str | None, list[Suspect]]:
    """What is suspected of each column of a contract's silver table; of no column: what the contract does not declare."""
    names = {
        column.pointer: column.name for column in columns.columns(contract) if column.pointer is not None
    }
    left_out = {pointer for pointer, name in contract.classification.items() if name in PROTECTED}
    left_out |= set(contract.personal_data_except)
    made: dict[str | None, list[Suspect]] = defaultdict(list)
    for one in suspects:
        above = _and_above(one.pointer)
        if left_out.isdisjoint(above):
            made[next((names[pointer] for pointer in above if pointer in names), None)].append(one)
    return made


def _and_above(pointer: str) -> list[str]:
    """`/a/b` → `/a/b` and `/a`."""
    parts = pointer.split("/")
    return ["/".join(parts[:length]) for length in range(len(parts), 1, -1)]


def downstream(
    suspected: Mapping[str, Mapping[str | None, Sequence[Suspect]]],
    sources: Mapping[str, Mapping[str, Sequence[tuple[str, str]]]],
    dataset: str,
) -> dict[str | None, list[Suspect]]:
    """What is suspected of the columns of a table that is made of silver, by the columns that they are read from.

    Args:
        suspected: silver table → column → what is suspected of it.
        sources: table → column → tables and columns that it is made of.
        dataset: the table.
    """
    made: dict[str | None, list[Suspect]] = {}
    for column in sources.get(dataset, {}):
        seen: set[tuple[str, str]] = set()
        left, found = [(dataset, column)], list[Suspect]()
        while left:
            table, name = left.pop()
            if (table, name) not in seen:
                seen.add((table, name))
                found += suspected.get(table, {}).get(name, ())
                left += sources.get(table, {}).get(name, ())
        if found:
            made[column] = _newest(Suspect("", one.kind, one.day, one.events, one.looked) for one in found)
    return made
