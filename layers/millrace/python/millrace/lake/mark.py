"""A run's high-water mark: what was accepted before it began is archived before it is planned, or the run says what is not."""

from datetime import datetime
from typing import Protocol

from millrace.core import clock
from millrace.eventstore.backlog import MOST_COUNTED, Backlog
from millrace.runs.documents import Mark

# Seconds between two looks: a backlog is mostly over in a moment.
PAUSES = (1, 1, 2, 3, 5, 8)
LONGEST_PAUSE = 15


class Behind(Protocol):
    """Tells what is accepted and not archived (`ArchiveBacklog`)."""

    def read(self, mark: datetime, *, most: int = ...) -> Backlog:
        """What was accepted up to a moment and is not archived, counted up to `most`."""
        ...


class HighWater:
    """Decides whether a run is planned now, and what it says of its mark."""

    def __init__(self, backlog: Behind, wait_seconds: int) -> None:
        """`wait_seconds`: of a run for the archive, in all."""
        self._backlog, self._wait = backlog, wait_seconds

    def look(self, at: datetime, looks: int) -> tuple[int, Mark | None]:
        """Seconds to wait, and the mark with which the run is planned; without one it waits.

        Args:
            at: when the run began.
            looks: how often the backlog was looked at before.
        """
        backlog = self._backlog.read(at, most=1)
        if seconds := pause(backlog, looks, self._wait):
            return seconds, None
        if backlog.total:
            backlog = self._backlog.read(at, most=MOST_COUNTED)
        return (
            0,
            Mark(
                at=clock.utc_text(at),
                not_archived=dict(backlog.events),
                oldest=backlog.oldest,
                more=backlog.more,
                unknown=backlog.unknown,
            ),
        )


def pause(backlog: Backlog, looks: int, longest: int) -> int:
    """How many seconds to wait before the next look; 0: the run is planned now. Pure.

    Args:
        backlog: what was accepted by the mark and is not archived.
        looks: how often it was looked at before.
        longest: seconds that a run waits in all.
    """
    if not backlog.total or backlog.unknown:
        # Nothing is missing, or nobody can tell: to wait would change neither.
        return 0
    waited = sum(_pause(number) for number in range(looks))
    return max(0, min(_pause(looks), longest - waited))


def _pause(number: int) -> int:
    return PAUSES[number] if number < len(PAUSES) else LONGEST_PAUSE
