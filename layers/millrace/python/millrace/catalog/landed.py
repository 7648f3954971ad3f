"""What tenants have of each table after a run: how many rows, in which snapshot, how new."""

from collections import defaultdict
from collections.abc import Mapping

from millrace.catalog.outcome import Outcome
from millrace.catalog.store import CatalogStore, Entry, Partition
from millrace.contracts.tables import LakeTable
from millrace.core import clock
from millrace.quality import results
from millrace.quality.checks import newest_column
from millrace.runs.documents import Committed, Part


class Landed:
    """Tells the catalog of the tables that landed."""

    def __init__(self, catalog: CatalogStore, tables: Mapping[str, LakeTable], outcome: Outcome) -> None:
        self._catalog, self._tables, self._outcome = catalog, tables, outcome

    def tell(self) -> None:
        """Keeps the rows of each part that was replaced, then what each tenant has in all.

        Raises:
            MillraceError: the table did not take it; telling again changes nothing.
        """
        for table, commit in sorted(self._outcome.commits.items()):
            if self._outcome.has_landed(table):
                self._tell(table, commit)

    def _tell(self, table: str, commit: Committed) -> None:
        parts: dict[str, dict[str | None, int]] = defaultdict(lambda: defaultdict(int))
        mine: dict[str, list[Part]] = defaultdict(list)
        for part in self._outcome.landed(table):
            # The buckets of a day are one part of the table.
            parts[part.org][part.day] += part.rows
            mine[part.org].append(part)
        self._catalog.put_partitions(
            [Partition(org, table, day, rows) for org, days in parts.items() for day, rows in days.items()],
            commit.at,
        )
        touched = set(parts) | self._gone(table, parts, commit)
        self._catalog.put_entries(
            [self._entry(org, table, commit, mine.get(org, [])) for org in sorted(touched)]
        )

    def _gone(self, table: str, parts: Mapping[str, Mapping[str | None, int]], commit: Committed) -> set[str]:
        """Tenants of whom a table that was made wholly anew has lost a part."""
        prepared = self._outcome.prepared.get(table)
        if prepared is None or not prepared.whole or commit.left_out:
            return set()
        tenants = {*self._catalog.tenants(), *parts}
        return {
            org
            for org in tenants
            if self._catalog.drop_partitions(org, table, set(parts.get(org, ())), commit.at)
        }

    def _entry(self, org: str, table: str, commit: Committed, mine: list[Part]) -> Entry:
        newest = results.newest(check for part in mine for check in part.checks)
        known = self._tables.get(table)
        if mine and known is not None and newest_column(known) is None:
            # Its rows say no moment: they are as new as the run that made them.
            newest = int(clock.parse(commit.at).timestamp() * 1000)
        if known is None or known.grain == "day":
            before = self._catalog.entry(org, table)
            known_newest = before.newest if before is not None else None
            newest = max((one for one in (newest, known_newest) if one is not None), default=None)
        return Entry(
            org=org,
            dataset=table,
            snapshot=commit.snapshot,
            rows=self._catalog.rows(org, table),
            newest=newest,
            run=commit.run,
            at=commit.at,
        )
