"""What can go wrong between a mapping and its function, to be injected by tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


class Crash(BaseException):
    """The function's process is killed: there is no answer, and no ``except Exception`` sees it.

    Source: AWS Lambda Developer Guide, "Understanding retry behavior in Lambda": a function that exits or runs
    out of time has failed like one that raises.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Shares of invocations, 0 to 1, that go wrong by the driver's seed.

    ``crash_before`` kills the process before the handler has done anything, ``crash_after`` after it has done
    everything. ``duplicate_delivery`` hands a batch that was done over again (AWS Lambda Developer Guide, "How
    Lambda processes records from stream and queue-based event sources": each event at least once).
    """

    crash_before: float = 0.0
    crash_after: float = 0.0
    duplicate_delivery: float = 0.0


NO_FAULTS = Faults()


@dataclass(frozen=True, slots=True)
class Backoff:
    """The wait before a retry: doubled from ``first`` up to ``longest``. AWS names no numbers."""

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(seconds=60)

    def wait(self, failures: int) -> timedelta:
        """Return the wait after that many failures in a row, 1 or more."""
        wait: timedelta = self.first * (1 << min(failures - 1, 16))
        return min(self.longest, wait)
