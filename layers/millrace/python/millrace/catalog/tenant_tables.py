"""What tenants have of each table after a run: how many rows, in which snapshot, how new."""

from collections import defaultdict
from collections.abc import Mapping

from millrace.catalog.run_outcome import RunOutcome
from millrace.catalog.store import CatalogEntry, CatalogStore, Partition
from millrace.contracts.tables import LakeTable
from millrace.core import clock
from millrace.quality import results
from millrace.quality.checks import newest_column
from millrace.runs.documents import Committed, Part


class TenantTables:
    """Brings the catalog's entries up to date with the tables that a run committed."""

    def __init__(self, catalog: CatalogStore, tables: Mapping[str, LakeTable], outcome: RunOutcome) -> None:
        self._catalog, self._tables, self._outcome = catalog, tables, outcome

    def update(self) -> None:
        """Stores the rows of each part that was replaced, then what each tenant has in all.

        Raises:
            MillraceError: the table did not take it; an update that is repeated changes nothing.
        """
        for table, commit in sorted(self._outcome.commits.items()):
            if self._outcome.is_committed(table):
                self._update(table, commit)

    def _update(self, table: str, commit: Committed) -> None:
        rows: dict[str, dict[str | None, int]] = defaultdict(lambda: defaultdict(int))
        parts: dict[str, list[Part]] = defaultdict(list)
        for part in self._outcome.committed_parts(table):
            # The buckets of a day are one part of the table.
            rows[part.org][part.day] += part.rows
            parts[part.org].append(part)
        self._catalog.put_partitions(
            [Partition(org, table, day, count) for org, days in rows.items() for day, count in days.items()],
            commit.at,
        )
        touched = set(rows) | self._lost_a_part(table, rows, commit)
        self._catalog.put_entries(
            [self._entry(org, table, commit, parts.get(org, [])) for org in sorted(touched)]
        )

    def _lost_a_part(
        self, table: str, rows: Mapping[str, Mapping[str | None, int]], commit: Committed
    ) -> set[str]:
        """Tenants of whom a table that was made wholly anew has no longer every part."""
        prepared = self._outcome.prepared.get(table)
        if prepared is None or not prepared.whole or commit.left_out:
            return set()
        tenants = {*self._catalog.tenants(), *rows}
        return {
            org
            for org in tenants
            if self._catalog.drop_partitions(org, table, set(rows.get(org, ())), commit.at)
        }

    def _entry(self, org: str, table: str, commit: Committed, parts: list[Part]) -> CatalogEntry:
        newest = results.newest(check for part in parts for check in part.checks)
        known = self._tables.get(table)
        if parts and known is not None and newest_column(known) is None:
            # Its rows have no moment: they are as new as the run that made them.
            newest = clock.epoch_millis(clock.parse(commit.at))
        if known is None or known.grain == "day":
            before = self._catalog.entry(org, table)
            known_newest = before.newest if before is not None else None
            newest = max((one for one in (newest, known_newest) if one is not None), default=None)
        return CatalogEntry(
            org=org,
            dataset=table,
            snapshot=commit.snapshot,
            rows=self._catalog.rows(org, table),
            newest=newest,
            run=commit.run,
            at=commit.at,
        )
