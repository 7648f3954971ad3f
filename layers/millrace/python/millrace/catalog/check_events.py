"""`quality.check.failed`: an event for each check that rows did not pass, appended as any other, once.

Its id follows from the table, the check, the day and how many rows failed. It must not follow from what was planned: the
event itself comes to lie in its day, and a check that warns would then derive a new event from each run for ever.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millrace.contracts.columns import table as silver_name
from millrace.contracts.registry import Registry
from millrace.eventstore.emit import Emitter, PlatformEvent, stated

EVENT_TYPE = "quality.check.failed"
SOURCE = "millrace.quality"
# A broken source can fail every day of a backfill; the results say all of them, the events the first of them.
MOST_PER_TENANT = 200


@dataclass(frozen=True, slots=True)
class Failed:
    """Rows of a tenant's day that did not pass a check. `at`: of the run, UTC text."""

    org: str
    table: str
    check: str
    severity: str
    failed: int
    rows: int
    day: str
    run: str
    at: str


class CheckEvents:
    """Emits them."""

    def __init__(self, registry: Registry, emitter: Emitter, log: Callable[[str], None]) -> None:
        self._registry, self._emitter, self._log = registry, emitter, log

    def append(self, failed: Sequence[Failed]) -> int:
        """Stores an event for each that has none yet, and returns how many there are.

        Raises:
            RetryableError: not all are stored; storing all of them again changes nothing.
        """
        # What fails in the table of these very events would have no end.
        own = f"silver.{silver_name(self._registry.find(EVENT_TYPE))}"
        wanted = self._bounded([one for one in failed if one.table != own])
        self._emitter.emit([_event(one) for one in wanted])
        return len(wanted)

    def _bounded(self, failed: Sequence[Failed]) -> list[Failed]:
        found: dict[str, list[Failed]] = defaultdict(list)
        for one in sorted(failed, key=lambda one: (one.severity, one.table, one.check, one.day)):
            found[one.org].append(one)
        for org, of_tenant in found.items():
            if len(of_tenant) > MOST_PER_TENANT:
                self._log(f"{org}: {len(of_tenant)} checks failed, events of {MOST_PER_TENANT}")
        return [one for of_tenant in found.values() for one in of_tenant[:MOST_PER_TENANT]]


def _event(one: Failed) -> PlatformEvent:
    return stated(
        EVENT_TYPE,
        org=one.org,
        source=SOURCE,
        at=one.at,
        payload={
            "table": one.table,
            "check": one.check[:256],
            "severity": one.severity,
            "failed": one.failed,
            "rows": one.rows,
            "day": one.day,
            "runId": one.run,
        },
        parts=(SOURCE, one.org, one.table, one.check, one.day, str(one.failed)),
    )
