"""`quality.check.failed`: an event for each check that rows did not pass, appended as any other, once.

Its id follows from the table, the check, the day and how many rows failed. It must not follow from what was planned: the
event itself comes to lie in its day, and a check that warns would then derive a new event from each run for ever.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millrace.contracts.columns import table as silver_name
from millrace.contracts.registry import Registry
from millrace.core.errors import RetryableError
from millrace.eventstore.append import Appender, Outcome
from millrace.eventstore.codec import Codec
from millrace.eventstore.platform_events import own_item
from millrace.eventstore.row import Item

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
    """Appends them."""

    def __init__(self, registry: Registry, appender: Appender, log: Callable[[str], None]) -> None:
        """`appender` writes to the Events table."""
        self._registry, self._appender, self._log = registry, appender, log
        self._codec = Codec(registry.dictionary)

    def append(self, failed: Sequence[Failed]) -> int:
        """Stores an event for each that has none yet, and returns how many were wanted.

        Raises:
            RetryableError: not all are stored; storing all of them again changes nothing.
        """
        # What fails in the table of these very events would have no end.
        own = f"silver.{silver_name(self._registry.find(EVENT_TYPE))}"
        wanted = self._bounded([one for one in failed if one.table != own])
        if not wanted:
            return 0
        outcomes = self._appender.append([self._row(one) for one in wanted])
        left = outcomes.count(Outcome.UNAVAILABLE)
        if left:
            raise RetryableError(f"append {EVENT_TYPE}: {left} of {len(outcomes)} are not stored")
        taken = outcomes.count(Outcome.CONFLICT)
        if taken:
            # An id is no secret here: a tenant that stores an event of its own under it silences its own check.
            self._log(f"{taken} events have the id of a {EVENT_TYPE}")
        return len(wanted)

    def _bounded(self, failed: Sequence[Failed]) -> list[Failed]:
        found: dict[str, list[Failed]] = defaultdict(list)
        for one in sorted(failed, key=lambda one: (one.severity, one.table, one.check, one.day)):
            found[one.org].append(one)
        for org, of_tenant in found.items():
            if len(of_tenant) > MOST_PER_TENANT:
                self._log(f"{org}: {len(of_tenant)} checks failed, events of {MOST_PER_TENANT}")
        return [one for of_tenant in found.values() for one in of_tenant[:MOST_PER_TENANT]]

    def _row(self, one: Failed) -> Item:
        payload = {
            "table": one.table,
            "check": one.check[:256],
            "severity": one.severity,
            "failed": one.failed,
            "rows": one.rows,
            "day": one.day,
            "runId": one.run,
        }
        return own_item(
            self._registry,
            self._codec,
            EVENT_TYPE,
            org=one.org,
            source=SOURCE,
            at=one.at,
            payload=payload,
            parts=(SOURCE, one.org, one.table, one.check, one.day, str(one.failed)),
        )
