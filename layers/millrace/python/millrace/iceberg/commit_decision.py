"""What a commit changes in a table: one decision over the facts of an attempt. Pure.

The fence: a partition is replaced only if it holds the data files that it held where the run started. One that
another commit changed is left out as a conflict, and the next run takes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from millrace.iceberg.commit_request import CommitRequest, LeftOut
from millrace.iceberg.data_file import DataFile, Files, Partition, by_partition
from millrace.iceberg.layout import DEFINITION
from millrace.runs.documents import Part

_CHANGED = "another run or a compaction changed it since this run was planned"


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """A table and a run's files as an attempt finds them.

    Attributes:
        now: the files of the table.
        base: its files where the run started; None where its metadata of then is no longer kept.
        footers: each file of the partitions without a conflict as the table would have it, or why it cannot have it.
        properties: of the table.
        refused: partitions that cannot be staged, each with the error.
    """

    now: Files
    base: Files | None
    footers: Mapping[str, DataFile | str]
    properties: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[Partition, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommitDecision:
    """What is exchanged in one snapshot.

    Attributes:
        request: the parts that are committed, and what is left out.
        removed: files that the next snapshot does not have.
        added: files that it has besides.
        properties: of the table, that change with the commit.
        files: all that the table has afterwards.
    """

    request: CommitRequest
    removed: tuple[DataFile, ...]
    added: tuple[DataFile, ...]
    properties: Mapping[str, str]
    files: tuple[DataFile, ...]

    @property
    def makes_snapshot(self) -> bool:
        """Whether there is anything to exchange."""
        return bool(self.removed or self.added)


def decide(request: CommitRequest, facts: CommitFacts) -> CommitDecision:
    """What of a request is committed, and how the table changes by it."""
    request = without_conflicts(request, facts.now, facts.base)
    request = request.without(_unfit(request, facts.footers))
    request = request.without(
        LeftOut(partition, "failed", error)
        for partition, error in facts.refused.items()
        if partition in request.parts
    )
    replaced = request.replaces(facts.now)
    removed = tuple(file for one in sorted(replaced, key=str) for file in facts.now.get(one, ()))
    kept = (file for partition, files in facts.now.items() if partition not in replaced for file in files)
    added = tuple(file for path in request.files if isinstance(file := facts.footers[path], DataFile))
    properties = _properties(request, facts, changed=bool(removed or added))
    return CommitDecision(request, removed, added, properties, (*kept, *added))


def recover(request: CommitRequest, committed: Sequence[DataFile]) -> CommitRequest:
    """A request as a snapshot of its own run has it: of a commit whose answer was lost.

    Args:
        request: of the run.
        committed: the files of that snapshot.
    """
    held = by_partition(committed)
    paths = {file.path for file in committed}
    return request.without(
        LeftOut(partition, "conflict", _CHANGED)
        for partition, parts in request.parts.items()
        if not all(part.file in paths if part.file else not held.get(partition) for part in parts)
    )


def without_conflicts(request: CommitRequest, now: Files, base: Files | None) -> CommitRequest:
    """A request without the partitions that another commit changed since the run started; `now` and `base` as in the facts."""
    present = now if base is None else {*now, *base}
    return request.without(
        LeftOut(partition, "conflict", _CHANGED)
        for partition in sorted(request.replaces(present), key=str)
        if base is None or _paths(now, partition) != _paths(base, partition)
    )


def _unfit(request: CommitRequest, footers: Mapping[str, DataFile | str]) -> Iterator[LeftOut]:
    for partition, parts in request.parts.items():
        wrong = (_wrong(partition, part, footers[part.file]) for part in parts if part.file is not None)
        if (error := next(filter(None, wrong), None)) is not None:
            yield LeftOut(partition, "failed", error)


def _wrong(partition: Partition, part: Part, footer: DataFile | str) -> str | None:
    if isinstance(footer, str):
        return footer
    if (footer.org, footer.day) != partition:
        return f"its file is of {footer.org} {footer.day or ''}"
    return f"its file has {footer.rows} rows, not {part.rows}" if footer.rows != part.rows else None


def _properties(request: CommitRequest, facts: CommitFacts, *, changed: bool) -> dict[str, str]:
    """The table's properties that change; `changed`: whether the commit makes a snapshot of its own."""
    if facts.properties.get(DEFINITION) == request.definition:
        return {}
    # What was left out is unfinished by this run's documents, which its snapshot leads to: the next run does those
    # again, and not all of the others beside them.
    finished = request.definition and (changed or not request.left_out)
    return {DEFINITION: request.definition} if finished else {}


def _paths(files: Files, partition: Partition) -> set[str]:
    return {file.path for file in files.get(partition, ())}
