"""Calls that their callers may not make, as lines of the audit: few, whatever comes."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from millrace.core import audit
from millrace.core.errors import MillraceError
from millrace.core.http import Problem, Request
from millrace.core.table import Table

ACTION = "access.denied"
# Of a caller in a minute each is a line; then one each time their number has doubled.
ALL_UP_TO = 5
SECONDS = 60.0
_MOST_CALLERS = 10_000


@dataclass(slots=True)
class _Minute:
    began: float
    count: int = 0


class Denials:
    """Writes lines; one warm copy of a function counts for itself."""

    def __init__(self, metadata: Table, clock: Callable[[], float] = time.monotonic) -> None:
        """Makes no call."""
        self._metadata, self._clock = metadata, clock
        self._minutes: dict[tuple[str, str], _Minute] = {}

    def __call__(self, request: Request, problem: Problem) -> None:
        """Writes a line if this is one of those that are written; the caller is refused in any case."""
        caller = request.authenticated
        count = self._count((caller.org, caller.id or caller.principal))
        if not _is_written(count):
            return
        detail = {"call": request.route, "why": problem.detail, "denials": count}
        with suppress(MillraceError):
            audit.write(self._metadata, caller.org, ACTION, caller.principal, detail, request.request_id)

    def _count(self, caller: tuple[str, str]) -> int:
        moment = self._clock()
        minute = self._minutes.get(caller)
        if minute is None or moment >= minute.began + SECONDS:
            if len(self._minutes) >= _MOST_CALLERS:
                self._minutes.clear()
            minute = self._minutes[caller] = _Minute(moment)
        minute.count += 1
        return minute.count


def _is_written(count: int) -> bool:
    times, rest = divmod(count, ALL_UP_TO)
    return count <= ALL_UP_TO or (rest == 0 and times.bit_count() == 1)
