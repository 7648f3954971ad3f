"""What sources have brought in the hours that a pass compares, and which of them are late."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from millrace.core.errors import MillraceError
from millrace.core.table import Table
from millrace.feeders import hours, states
from millrace.feeders.binding import Binding
from millrace.feeders.hours import COUNTED
from millrace.feeders.states import PAUSED, State
from millrace.reconcile.request import Window


@dataclass(frozen=True, slots=True)
class SourceSeen:
    """A source, as a pass has seen it.

    Attributes:
        source: which one.
        state: `active` or `paused`.
        last_at: when its last event was received, as UTC text; None: none in 35 days.
        late: it has brought nothing for longer than its freshness, and is not paused.
        counts: of what was received in the pass's hours, by what became of it.
    """

    source: Binding
    state: str
    last_at: str | None
    late: bool
    counts: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """As the function answers it."""
        return {
            "org": self.source.org,
            "source": self.source.name,
            "kind": self.source.kind,
            "state": self.state,
            "lastSeenAt": self.last_at,
            "late": self.late,
            **{name: self.counts.get(name, 0) for name in COUNTED.values()},
        }


def seen(
    bindings: Iterable[Binding],
    windows: Sequence[Window],
    metadata: Table,
    now: datetime,
    warn: Callable[[str], None],
) -> list[SourceSeen]:
    """Each source, by tenant and name. One whose rows cannot be read is left out, with a warning.

    Args:
        bindings: the sources.
        windows: hours of days that are asked for; by when events were received.
        metadata: the table.
        now: when.
        warn: takes a line.
    """
    found: list[SourceSeen] = []
    known: dict[str, dict[str, State]] = {}
    for one in sorted(bindings, key=lambda one: (one.org, one.name)):
        try:
            if one.org not in known:
                known[one.org] = states.listed(metadata, one.org)
            last = hours.last_at(metadata, one.org, one.name)
            counts = _counts(metadata, one, windows)
        except MillraceError as error:
            warn(f"source {one.name}: {error}")
            continue
        state = known[one.org].get(one.name, State()).state
        late = state != PAUSED and hours.is_late(last, one.freshness, now)
        found.append(SourceSeen(one, state, last, late, counts))
    return found


def _counts(metadata: Table, one: Binding, windows: Sequence[Window]) -> Counter[str]:
    total: Counter[str] = Counter()
    for window in windows:
        last_hour = window.end - timedelta(hours=1)
        for hour in hours.read(metadata, one.org, one.name, window.start, last_hour).values():
            total.update(hour.counts)
    return total
