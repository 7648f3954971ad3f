"""What of a run's parts a table may take: whole tenant-days, nothing lost, no blocking check failed. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from millrace.runs.documents import Failure, Part, Plan, Prepared, SilverBatch, Status, TableChunk

# A tenant and, where the table has days, the day.
Partition = tuple[str, str | None]
Reason = Literal["failed", "blocked", "conflict"]
_UNENDED = "its worker did not come to an end"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A partition that stays as it is, and why."""

    partition: Partition
    reason: Reason
    error: str


@dataclass(frozen=True, slots=True)
class Landing:
    """The parts of a commit.

    Attributes:
        parts: by partition; a partition is replaced by its parts as a whole.
        left_out: partitions that are not touched.
        base: the table's metadata location that the run started from; None if there was no such table.
        whole: whether partitions that are in neither go.
        manifest: changes exactly when a manifest row of what is in `parts` comes or goes; empty for built tables.
        definition: of the transform; empty for silver.
    """

    parts: Mapping[Partition, tuple[Part, ...]]
    left_out: tuple[LeftOut, ...]
    base: str | None
    whole: bool = False
    manifest: str = ""
    definition: str = ""

    def without(self, more: Iterable[LeftOut]) -> "Landing":
        """The same, with more left out."""
        gone = tuple(more)
        out = {found.partition for found in gone}
        return Landing(
            {partition: parts for partition, parts in self.parts.items() if partition not in out},
            (*self.left_out, *gone),
            self.base,
            self.whole,
            self.manifest,
            self.definition,
        )

    def only(self, some: Iterable[Partition]) -> "Landing":
        """These parts, and nothing else changes."""
        parts = {partition: self.parts[partition] for partition in some}
        return Landing(parts, self.left_out, self.base, manifest=self.manifest, definition=self.definition)

    def replaces(self, present: Collection[Partition]) -> set[Partition]:
        """The partitions that a commit changes, `present` being those the table has."""
        if not self.whole:
            return set(self.parts)
        out = {found.partition for found in self.left_out}
        # Without a day, all of the tenant's days were left out.
        return {(org, day) for org, day in {*self.parts, *present} if not {(org, day), (org, None)} & out}


def of_silver(plan: Plan, batches: Sequence[SilverBatch], table: str) -> Landing:
    """What a silver table takes: of each tenant-day all buckets or nothing."""
    failures = [failure for batch in batches for failure in batch.failures]
    ended = {batch.batch for batch in batches}
    for number, units in enumerate(plan.batches):
        if number not in ended:
            failures += [Failure(unit.org, unit.day, _UNENDED) for unit in units]
    landing = _landing(
        [part for batch in batches for part in batch.parts], failures, table, plan.bases.get(table)
    )
    hashes = {(day.org, day.day): day.manifest for day in plan.partitions}
    told = sorted(f"{org} {day} {hashes.get((org, day or ''), '')}" for org, day in landing.parts)
    manifest = hashlib.sha256("\n".join(told).encode()).hexdigest()
    return Landing(landing.parts, landing.left_out, landing.base, manifest=manifest)


def of_built(prepared: Prepared, chunks: Sequence[TableChunk]) -> Landing:
    """What a built table takes; all of it, if it was built anew as a whole."""
    failures = [failure for chunk in chunks for failure in chunk.failures]
    ended = {chunk.chunk for chunk in chunks}
    for number, works in enumerate(prepared.chunks):
        if number not in ended:
            failures += [Failure(work.org, work.day, _UNENDED) for work in works]
    parts = [part for chunk in chunks for part in chunk.parts]
    landing = _landing(parts, failures, prepared.table, prepared.base, name_all=prepared.whole)
    return Landing(
        landing.parts, landing.left_out, landing.base, prepared.whole, definition=prepared.definition
    )


def status(landed: Collection[Part], left_out: Sequence[LeftOut]) -> Status:
    """What came of a commit: `committed` where anything landed, else the gravest reason why nothing did."""
    if landed:
        return "committed"
    reasons = {found.reason for found in left_out}
    order: tuple[Reason, ...] = ("failed", "blocked", "conflict")
    return next((reason for reason in order if reason in reasons), "unchanged")


def _landing(
    parts: Sequence[Part],
    failures: Sequence[Failure],
    table: str,
    base: str | None,
    *,
    name_all: bool = False,
) -> Landing:
    found: dict[Partition, list[Part]] = defaultdict(list)
    for part in parts:
        if part.table == table:
            found[part.org, part.day].append(part)
    left_out: dict[Partition, LeftOut] = {}
    for failure in failures:
        # Without a day, all of the tenant's days failed.
        for partition in _of(failure, found) or ([(failure.org, failure.day)] if name_all else []):
            left_out.setdefault(partition, LeftOut(partition, "failed", failure.error))
    for partition, held in found.items():
        if partition not in left_out and (wrong := _wrong(partition, held)) is not None:
            left_out[partition] = wrong
    landing = {partition: tuple(held) for partition, held in found.items() if partition not in left_out}
    return Landing(landing, tuple(left_out.values()), base)


def _of(failure: Failure, found: Iterable[Partition]) -> list[Partition]:
    return [
        (org, day)
        for org, day in found
        if org == failure.org and (failure.day is None or day is None or day == failure.day)
    ]


def _wrong(partition: Partition, parts: Sequence[Part]) -> LeftOut | None:
    for part in parts:
        if part.rows_in != part.rows + part.duplicates + part.dead:
            told = f"{part.rows_in} in, {part.rows} out, {part.duplicates} duplicates, {part.dead} dead"
            return LeftOut(partition, "failed", f"the rows do not balance: {told}")
        if (part.file is None) != (part.rows == 0):
            return LeftOut(partition, "failed", f"{part.rows} rows and the file {part.file}")
    for part in parts:
        for check in part.checks:
            if check.status == "fail":
                told = f"the check {check.check} failed on {check.failed} of {check.rows} rows"
                return LeftOut(partition, "blocked", told)
    return None
