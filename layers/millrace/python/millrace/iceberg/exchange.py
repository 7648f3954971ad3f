"""The exchange of a run's files in a table: staged as a whole, or without the partitions that foreign code does not take."""

from collections.abc import Iterable, Mapping, Sequence

from pyiceberg.table import Transaction

from millrace.contracts.tables import LakeTable
from millrace.core import isolate
from millrace.core.errors import in_a_line
from millrace.iceberg import replace, shape
from millrace.iceberg.commit_rules import Landing, LeftOut, Partition
from millrace.iceberg.layout import DEFINITION, RUN
from millrace.iceberg.retry import NOT_OF_A_PART
from millrace.iceberg.tables import DataFile, OpenTable


class Exchange:
    """Of the files of a table as it was opened."""

    def __init__(
        self,
        run: str,
        opened: OpenTable,
        now: Mapping[Partition, list[DataFile]],
        footers: Mapping[str, DataFile | str],
    ) -> None:
        self._run, self._opened, self._now, self._footers = run, opened, now, footers

    def stage(self, transaction: Transaction, landing: Landing) -> tuple[list[DataFile], list[DataFile]]:
        """Stages it, if there is anything to exchange: what goes, and what comes."""
        gone = [file for partition in landing.replaces(self._now) for file in self._now.get(partition, [])]
        come = [found for path in _files(landing) if isinstance(found := self._footers[path], DataFile)]
        if gone or come:
            added = [found.iceberg for found in come]
            replace.replace(transaction, self._opened, gone, added, _summary(self._run, landing))
        return gone, come

    def unfit(self, contract: LakeTable, landing: Landing) -> list[LeftOut]:
        """The partitions that cannot be staged by themselves."""

        def attempt(some: Sequence[Partition]) -> None:
            transaction = self._opened.table.transaction()
            shape.evolve(transaction, contract)
            self.stage(transaction, landing.only(some))

        found = isolate.failing(sorted(landing.parts, key=str), attempt, NOT_OF_A_PART)
        return [LeftOut(partition, "failed", in_a_line(error)) for partition, error in found.items()]


def _summary(run: str, landing: Landing) -> dict[str, str]:
    parts = [part for held in landing.parts.values() for part in held]
    properties = {
        RUN: run,
        "millrace.rows-in": str(sum(part.rows_in for part in parts)),
        "millrace.rows": str(sum(part.rows for part in parts)),
        "millrace.duplicates": str(sum(part.duplicates for part in parts)),
        "millrace.dead": str(sum(part.dead for part in parts)),
    }
    named = {"millrace.manifest": landing.manifest, DEFINITION: landing.definition}
    return properties | {name: value for name, value in named.items() if value}


def _files(landing: Landing) -> Iterable[str]:
    return (part.file for parts in landing.parts.values() for part in parts if part.file is not None)
