"""What a run does in which order and in what portions. Pure: from what waits to batches."""

import hashlib
from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from millrace.core.table import Item
from millrace.runs.documents import RawObject, TenantDay, Unit

# What one worker takes: as many rows as fit its memory, and not so many small files that their requests take its time.
MAX_ROWS = 1_000_000
MAX_UNITS = 64
# What one run takes. The state machine maps over the batches, and what publishes the run reads all of them.
MAX_BATCHES = 500
MAX_OBJECTS = 100_000


@dataclass(frozen=True, slots=True)
class Packed:
    """The tenant-days that a run takes, in batches, and how many are left for the next."""

    partitions: tuple[TenantDay, ...]
    batches: tuple[tuple[Unit, ...], ...]
    remaining: int


def tenant_day(
    org: str,
    day: str,
    rows: Iterable[Item],
    bucket: str,
    token: str | None = None,
    *,
    merges: bool = False,
) -> TenantDay | None:
    """A tenant's day from its manifest rows; None if they name no object.

    Args:
        org: the tenant.
        day: UTC.
        rows: of the manifest; an object of more than 2,000 events has several.
        bucket: the lake's, whose objects they name.
        token: of the pending row.
        merges: whether the manifest may have lost rows of the day.
    """
    counted: dict[str, int] = defaultdict(int)
    seen = hashlib.sha256()
    for row in sorted(rows, key=lambda item: str(item["entityId"]["S"])):
        if "object" not in row:
            continue
        key = row["object"]["S"].removeprefix(f"s3://{bucket}/")
        counted[key] += int(row["rows"]["N"])
        # Not when it was written: a redelivery writes the same row at another time.
        seen.update(f"{row['entityId']['S']}\n{key}\n{row['rows']['N']}\n".encode())
    if not counted:
        return None
    objects = tuple(RawObject(key, count) for key, count in sorted(counted.items()))
    return TenantDay(org, day, objects, token, seen.hexdigest(), merges)


def fair(days: Iterable[TenantDay]) -> list[TenantDay]:
    """Each tenant's first day, then each tenant's second: no tenant waits behind another's backlog.

    Within a tenant the given order stays.
    """
    ranks: dict[str, int] = defaultdict(int)
    ranked = []
    for day in days:
        ranked.append((ranks[day.org], day))
        ranks[day.org] += 1
    return [day for _, day in sorted(ranked, key=lambda pair: (pair[0], pair[1].org))]


def units(day: TenantDay, max_rows: int = MAX_ROWS) -> tuple[Unit, ...]:
    """A tenant-day in buckets of about `max_rows` at most, each of which a worker does by itself."""
    buckets = max(1, -(-day.rows // max_rows))
    return tuple(Unit(day.org, day.day, bucket, buckets) for bucket in range(buckets))


def pack(
    days: Sequence[TenantDay],
    *,
    apart: Container[tuple[str, str]] = (),
    max_rows: int = MAX_ROWS,
    max_units: int = MAX_UNITS,
    max_batches: int = MAX_BATCHES,
    max_objects: int = MAX_OBJECTS,
) -> Packed:
    """Fills batches in order, whole tenant-days only, until the run is full. The first always has its place.

    A batch holds up to `max_rows` (as the manifest counts them) or `max_units`, whichever comes first.

    Args:
        days: in order.
        apart: tenant-days that share no batch with others.
        max_rows: of a batch.
        max_units: of a batch.
        max_batches: of the run.
        max_objects: of the run.
    """
    taken: list[TenantDay] = []
    batches: list[tuple[Unit, ...]] = []
    batch: list[Unit] = []
    filled = objects = 0
    alone = False
    for day in days:
        parts = units(day, max_rows)
        share = -(-day.rows // len(parts))
        fresh: list[tuple[Unit, ...]] = []
        current, count = list(batch), filled
        was_alone, alone = alone, (day.org, day.day) in apart
        for number, part in enumerate(parts):
            ends = number == 0 and (alone or was_alone)
            if current and (ends or count + share > max_rows or len(current) == max_units):
                fresh.append(tuple(current))
                current, count = [], 0
            current.append(part)
            count += share
        objects += len(day.objects)
        full = len(batches) + len(fresh) + 1 > max_batches or objects > max_objects
        if full and taken:
            break
        taken.append(day)
        batches += fresh
        batch, filled = current, count
    if batch:
        batches.append(tuple(batch))
    return Packed(tuple(taken), tuple(batches), len(days) - len(taken))
