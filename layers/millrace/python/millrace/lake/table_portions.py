"""What a table is to be built anew for, and in which portions. Pure.

A tenant (and day) is work when the data files that its inputs hold for it are not those that the table was built of
last: so what an hourly run left for a daily table, what failed and what was blocked is found by the next run that
comes to the table, whatever that run itself brought.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from millrace.contracts.tables import Grain
from millrace.runs.documents import Committed, Input, InputFile, Prepared, Work

MAX_PARTITIONS = 50
MAX_BYTES = 1_000_000_000
# An execution has 25,000 events of history, and a chunk takes 33 of them where all of its retries are used: where a table
# is built wholly anew for many tenants and days, its chunks are larger and not more.
MAX_CHUNKS = 500
# A tenant and, where the table has days, the day.
Partition = tuple[str, str | None]


def changed(before: Sequence[Input], now: Sequence[Input]) -> Mapping[str, set[Partition]] | None:
    """Table → the partitions whose files are others than before; None if the inputs themselves are others."""
    old = {one.table: _files(one.files) for one in before}
    new = {one.table: _files(one.files) for one in now}
    if old.keys() != new.keys():
        return None
    return {
        table: {part for part in {*old[table], *new[table]} if old[table].get(part) != new[table].get(part)}
        for table in new
    }


def unfinished(prepared: Prepared, committed: Committed) -> set[Partition]:
    """What an earlier run was to make and did not bring into the table."""
    return of(prepared) - {(part.org, part.day) for part in committed.landed}


def of(prepared: Prepared) -> set[Partition]:
    """What a run is to make."""
    return {(work.org, work.day) for chunk in prepared.chunks for work in chunk}


def everything(grain: Grain, inputs: Sequence[Input], grains: Mapping[str, Grain]) -> set[Partition]:
    """Every tenant, and for grain `day` every day of every tenant, that the inputs hold anything for.

    Args:
        grain: of the table.
        inputs: what it reads.
        grains: of its inputs.
    """
    parts = {(one.table, file.org, file.day) for one in inputs for file in one.files}
    if grain == "org":
        return {(org, None) for _, org, _ in parts}
    return {(org, day) for table, org, day in parts if grains[table] == "day"}


def touched(
    grain: Grain, changes: Mapping[str, set[Partition]], inputs: Sequence[Input], grains: Mapping[str, Grain]
) -> set[Partition]:
    """What follows from the changes of the inputs: a tenant's table without days touches all of the tenant's days."""
    if grain == "org":
        return {(org, None) for parts in changes.values() for org, _ in parts}
    days = {part for table, parts in changes.items() if grains[table] == "day" for part in parts}
    orgs = {org for table, parts in changes.items() if grains[table] == "org" for org, _ in parts}
    return days | {part for part in everything(grain, inputs, grains) if part[0] in orgs}


def chunks(
    partitions: Collection[Partition], grain: Grain, inputs: Sequence[Input], grains: Mapping[str, Grain]
) -> tuple[tuple[Work, ...], ...]:
    """The partitions in order, in portions that one worker does; `MAX_CHUNKS` at most."""
    sizes: dict[tuple[str, Partition], int] = defaultdict(int)
    for one in inputs:
        for file in one.files:
            sizes[one.table, (file.org, file.day)] += file.size
            if file.day is not None:
                sizes[one.table, (file.org, None)] += file.size
    weighed: list[tuple[Work, int]] = []
    for org, day in sorted(partitions, key=lambda part: (part[0], part[1] or "")):
        parts = [(one.table, (org, day if grains[one.table] == "day" else None)) for one in inputs]
        weighed.append((Work(org, day if grain == "day" else None), sum(sizes[part] for part in parts)))
    # At most half of the chunks end because of their partitions, and half because of their bytes: of these any two in a row
    # are together above the limit.
    half = MAX_CHUNKS // 2
    most = max(MAX_PARTITIONS, -(-len(weighed) // half))
    heaviest = max(MAX_BYTES, -(-2 * sum(size for _, size in weighed) // half))
    made: list[tuple[Work, ...]] = []
    portion: list[Work] = []
    held = 0
    for work, size in weighed:
        if portion and (len(portion) == most or held + size > heaviest):
            made.append(tuple(portion))
            portion, held = [], 0
        portion.append(work)
        held += size
    return (*made, tuple(portion)) if portion else tuple(made)


def _files(files: Iterable[InputFile]) -> dict[Partition, set[str]]:
    paths: dict[Partition, set[str]] = defaultdict(set)
    for file in files:
        paths[file.org, file.day].add(file.path)
    return dict(paths)
