"""What a run asks a table to take: whole tenant-days, nothing lost, no blocking check failed. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from millrace.iceberg.data_file import Partition
from millrace.runs.documents import Failure, Part, Prepared, SilverBatch, Status, TableChunk

Reason = Literal["failed", "blocked", "conflict"]
# From the gravest on.
_REASONS: tuple[Reason, ...] = ("failed", "blocked", "conflict")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A partition that stays as it is, and why."""

    partition: Partition
    reason: Reason
    error: str


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """The parts of a commit.

    Attributes:
        parts: by partition; a partition is replaced by its parts as a whole.
        left_out: partitions that are not touched.
        base: the table's metadata location that the run started from; None if there was no such table.
        whole: whether partitions that are in neither are removed.
        definition: of the transform; empty for silver.
    """

    parts: Mapping[Partition, tuple[Part, ...]]
    left_out: tuple[LeftOut, ...]
    base: str | None
    whole: bool = False
    definition: str = ""

    @property
    def all_parts(self) -> tuple[Part, ...]:
        """The parts of all partitions."""
        return tuple(part for parts in self.parts.values() for part in parts)

    @property
    def files(self) -> Iterator[str]:
        """The files of the parts; a part without rows has none."""
        return (part.file for part in self.all_parts if part.file is not None)

    @property
    def manifest(self) -> str:
        """Changes exactly when a manifest row of what is in `parts` comes or goes; empty for built tables."""
        lines = sorted(f"{part.org} {part.day} {part.manifest}" for part in self.all_parts if part.manifest)
        text = "\n".join(dict.fromkeys(lines))
        return hashlib.sha256(text.encode()).hexdigest() if lines else ""

    def without(self, more: Iterable[LeftOut]) -> "CommitRequest":
        """The same, with more left out."""
        left_out = tuple(more)
        out = {one.partition for one in left_out}
        parts = {partition: parts for partition, parts in self.parts.items() if partition not in out}
        return replace(self, parts=parts, left_out=(*self.left_out, *left_out))

    def only(self, some: Iterable[Partition]) -> "CommitRequest":
        """These parts, and nothing else changes."""
        return replace(self, parts={partition: self.parts[partition] for partition in some}, whole=False)

    def replaces(self, present: Collection[Partition]) -> set[Partition]:
        """The partitions that a commit changes, `present` being those the table has."""
        if not self.whole:
            return set(self.parts)
        out = {one.partition for one in self.left_out}
        # Without a day, all of the tenant's days were left out.
        return {(org, day) for org, day in {*self.parts, *present} if not {(org, day), (org, None)} & out}

    def unchanged_status(self) -> Status:
        """What came of it where the table stays as it is: the gravest reason, `unchanged` where there is none."""
        reasons = {one.reason for one in self.left_out}
        return next((reason for reason in _REASONS if reason in reasons), "unchanged")


def of_silver(base: str | None, batches: Sequence[SilverBatch], table: str) -> CommitRequest:
    """What a silver table takes: of each tenant-day all buckets or nothing.

    Args:
        base: the table's metadata location that the run started from.
        batches: every batch of the run, what its worker did not come to among its failures.
        table: its full name.
    """
    parts = [part for batch in batches for part in batch.parts]
    return _request(parts, [failure for batch in batches for failure in batch.failures], table, base)


def of_built(prepared: Prepared, chunks: Sequence[TableChunk]) -> CommitRequest:
    """What a built table takes; all of it, if it was built anew as a whole.

    Args:
        prepared: what it was to be built of.
        chunks: every chunk, what its worker did not come to among its failures.
    """
    parts = [part for chunk in chunks for part in chunk.parts]
    failures = [failure for chunk in chunks for failure in chunk.failures]
    request = _request(parts, failures, prepared.table, prepared.base, name_all=prepared.whole)
    return replace(request, whole=prepared.whole, definition=prepared.definition)


def _request(
    parts: Sequence[Part],
    failures: Sequence[Failure],
    table: str,
    base: str | None,
    *,
    name_all: bool = False,
) -> CommitRequest:
    offered: dict[Partition, list[Part]] = defaultdict(list)
    for part in parts:
        if part.table == table:
            offered[part.org, part.day].append(part)
    left_out: dict[Partition, LeftOut] = {}
    for failure in failures:
        # Without a day, all of the tenant's days failed.
        for partition in _of(failure, offered) or ([(failure.org, failure.day)] if name_all else []):
            left_out.setdefault(partition, LeftOut(partition, "failed", failure.error))
    for partition, held in offered.items():
        if partition not in left_out and (wrong := _wrong(partition, held)) is not None:
            left_out[partition] = wrong
    kept = {partition: tuple(held) for partition, held in offered.items() if partition not in left_out}
    return CommitRequest(kept, tuple(left_out.values()), base)


def _of(failure: Failure, offered: Iterable[Partition]) -> list[Partition]:
    return [
        (org, day)
        for org, day in offered
        if org == failure.org and (failure.day is None or day is None or day == failure.day)
    ]


def _wrong(partition: Partition, parts: Sequence[Part]) -> LeftOut | None:
    for part in parts:
        if part.rows_in != part.rows + part.duplicates + part.dead:
            counts = f"{part.rows_in} in, {part.rows} out, {part.duplicates} duplicates, {part.dead} dead"
            return LeftOut(partition, "failed", f"the rows do not balance: {counts}")
        if (part.file is None) != (part.rows == 0):
            return LeftOut(partition, "failed", f"{part.rows} rows and the file {part.file}")
    for part in parts:
        for check in part.checks:
            if check.status == "fail":
                error = f"the check {check.check} failed on {check.failed} of {check.rows} rows"
                return LeftOut(partition, "blocked", error)
    return None
