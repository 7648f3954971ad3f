"""Plans a run: which tenant-days, from which objects, in which batches, and what the tables are at its start.

An interval is planned from the manifest, never from the clock or a listing of objects. What is read keeps an order:
the tables first, then what is pending, then the manifest. So a run that came in between shows as a changed table at the
commit, and a batch of the archive that came in between keeps its day pending.
"""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

from millrace.core import clock
from millrace.core.errors import RetryableError, in_a_line
from millrace.core.objects import Objects
from millrace.core.prefixes import RAW_EVENTS
from millrace.core.table import Table
from millrace.eventstore import failed_days, pending, receipts
from millrace.iceberg import glue_tables
from millrace.lake import packing
from millrace.runs.documents import Failure, Mark, Plan, TenantDay
from millrace.warehouse import project

_ORG = "org="
READERS = 16


class Planner:
    """Makes plans from Metadata, the lake's folders and the Glue catalog."""

    def __init__(
        self, dynamodb: Any, lake: Objects, glue: Any, *, environment: str, metadata_table: str
    ) -> None:
        self._lake, self._glue = lake, glue
        self._environment, self._metadata = environment, Table(dynamodb, metadata_table)

    def plan(
        self,
        run: str,
        at: datetime,
        *,
        days: Sequence[str] | None = None,
        refresh: Collection[str] = ("hourly", "daily"),
        silver: bool = True,
        mark: Mark | None = None,
    ) -> Plan:
        """The plan of a run.

        Args:
            run: its id.
            at: now, for the record, and to know which days' manifest is still whole.
            days: UTC days to rebuild; None for what is pending.
            refresh: which tables: those of these refreshes.
            silver: False to build the tables of these tenant-days again from silver as it is.
            mark: up to when everything accepted is archived, or what is not; read before the plan is made.

        Raises:
            MillraceError: a store did not answer.
        """
        bases = glue_tables.locations(self._glue, self._environment)
        failed = {(one.org, one.day): one.state for one in failed_days.read(self._metadata)}
        aside = {place for place, state in failed.items() if state == "set_aside"}
        wanted = (
            self._pending() if days is None else [(org, day, None) for org in self.orgs() for day in days]
        )
        with ThreadPoolExecutor(READERS) as pool:
            look = partial(self._tenant_day, receipts.whole_from(at))
            looked_at = list(pool.map(look, [one for one in wanted if one[:2] not in aside]))
        present = [one for one in looked_at if isinstance(one, TenantDay)]
        # What failed before comes behind all others and in batches of its own: it may end its worker.
        retried = [one for one in present if (one.org, one.day) in failed]
        fresh = [one for one in present if (one.org, one.day) not in failed]
        packed = packing.pack([*packing.fair(fresh), *packing.fair(retried)], apart=failed)
        partitions = packed.partitions
        if not silver:
            # Without their tokens: silver takes nothing in here, so nothing of it is done.
            partitions = tuple(TenantDay(d.org, d.day, d.objects, None, d.manifest) for d in partitions)
        return Plan(
            run=run,
            planned_at=clock.utc_text(at),
            refresh=tuple(refresh),
            partitions=partitions,
            batches=packed.batches if silver else (),
            levels=project.load().levels(refresh),
            bases=bases,
            remaining=packed.remaining,
            left_out=tuple(one for one in looked_at if isinstance(one, Failure)),
            set_aside=len(aside),
            mark=mark,
        )

    def orgs(self) -> list[str]:
        """The tenants that have anything in raw, by the folders that the archive makes."""
        folders = self._lake.list_folders(RAW_EVENTS, doing="list tenants")
        names = (folder.removeprefix(RAW_EVENTS).rstrip("/") for folder in folders)
        return [name.removeprefix(_ORG) for name in names if name.startswith(_ORG)]

    def _pending(self) -> list[tuple[str, str, str | None]]:
        rows = pending.read(self._metadata)
        # What has waited longest comes first.
        return [
            (row.org, row.day, row.token) for row in sorted(rows, key=lambda row: (row.at, row.org, row.day))
        ]

    def _tenant_day(self, whole_from: str, wanted: tuple[str, str, str | None]) -> TenantDay | Failure | None:
        org, day, token = wanted
        try:
            rows = receipts.objects(self._metadata, org, day)
            return packing.tenant_day(org, day, rows, self._lake.bucket, token, merges=day < whole_from)
        except RetryableError:
            raise
        except Exception as error:  # noqa: BLE001  whatever one tenant's rows set off must not stop the others
            return Failure(
                org, day, f"its manifest cannot be read: {type(error).__name__} {in_a_line(error)}"
            )
