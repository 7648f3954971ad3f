"""A plan as documents: an index, and one document for each batch, so that a worker reads no more than it works on. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from millrace.runs.documents import Failure, Mark, Plan, TenantDay, Unit


@dataclass(frozen=True, slots=True)
class PlanBatch:
    """What one worker takes in: units, and the tenant-days that they are of."""

    units: tuple[Unit, ...]
    days: tuple[TenantDay, ...]


@dataclass(frozen=True, slots=True)
class PlanIndex:
    """A plan without what its batches take in; its other fields are those of `Plan`.

    Attributes:
        version: of the batches' documents. A step that is tried again may plan something else, and the batches of two plans
            must never be mixed.
        batches: how many there are.
        idle_days: tenant-days of no batch: all of them where a run takes nothing into silver.
    """

    run: str
    planned_at: str
    refresh: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    bases: dict[str, str | None]
    version: str
    batches: int
    idle_days: tuple[TenantDay, ...]
    remaining: int
    left_out: tuple[Failure, ...]
    set_aside: int
    mark: Mark | None = None


def split(plan: Plan, version: str) -> tuple[PlanIndex, tuple[PlanBatch, ...]]:
    """The documents of a plan."""
    idle = {(day.org, day.day): day for day in plan.partitions}
    known = dict(idle)
    batches = []
    for units in plan.batches:
        keys = dict.fromkeys((unit.org, unit.day) for unit in units)
        batches.append(PlanBatch(units, tuple(known[key] for key in keys)))
        for key in keys:
            idle.pop(key, None)
    index = PlanIndex(
        run=plan.run,
        planned_at=plan.planned_at,
        refresh=plan.refresh,
        levels=plan.levels,
        bases=plan.bases,
        version=version,
        batches=len(batches),
        idle_days=tuple(idle.values()),
        remaining=plan.remaining,
        left_out=plan.left_out,
        set_aside=plan.set_aside,
        mark=plan.mark,
    )
    return index, tuple(batches)


def join(index: PlanIndex, batches: Sequence[PlanBatch]) -> Plan:
    """The plan of an index and all of its batches, in order."""
    days = dict.fromkeys(day for batch in batches for day in batch.days)
    return Plan(
        run=index.run,
        planned_at=index.planned_at,
        refresh=index.refresh,
        partitions=(*days, *index.idle_days),
        batches=tuple(batch.units for batch in batches),
        levels=index.levels,
        bases=index.bases,
        remaining=index.remaining,
        left_out=index.left_out,
        set_aside=index.set_aside,
        mark=index.mark,
    )
