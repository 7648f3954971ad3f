"""Documents of a run as its steps leave them, made by hand."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from millrace.core import clock
from millrace.quality.result import CheckResult
from millrace.runs.documents import (
    Committed,
    Failure,
    Input,
    Part,
    Plan,
    Prepared,
    RawObject,
    SilverBatch,
    TableChunk,
    TenantDay,
    Unit,
    Work,
)
from millrace.runs.store import RunStore

# What a run says of itself are events, and these are read as long as their contract keeps them: seen from today.
_YESTERDAY = clock.utc_day(clock.now()) - timedelta(days=1)


def yesterday(hour: int, minute: int = 0) -> str:
    """A minute of the UTC day before this one, as text."""
    return f"{_YESTERDAY}T{hour:02}:{minute:02}:00.000Z"


PLANNED_AT, COMMITTED_AT = yesterday(10), yesterday(10, 1)


def part(table: str, org: str, day: str | None, rows: int = 10, **more: Any) -> Part:
    """A part that balances."""
    given = {
        "duplicates": 0,
        "dead": 0,
        "size": 1000,
        "file": f"s3://lake/{table}/{org}/{day}.parquet",
        **more,
    }
    rows_in = given.pop("rows_in", rows + given["duplicates"] + given["dead"])
    return Part(table=table, org=org, day=day, rows_in=rows_in, rows=rows, **given)


def newest(milliseconds: int) -> CheckResult:
    """What a worker measures of freshness."""
    return CheckResult("freshness", "warning", 0, 10, milliseconds)


@dataclass
class Run:
    """A run that is written down step by step; `write` keeps it."""

    run: str = "hourly-1"
    planned_at: str = PLANNED_AT
    at: str = COMMITTED_AT
    days: list[TenantDay] = field(default_factory=list)
    silver: list[Part] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    prepared: dict[str, Prepared] = field(default_factory=dict)
    chunks: list[TableChunk] = field(default_factory=list)
    commits: dict[str, Committed] = field(default_factory=dict)
    ended: bool = True

    def day(self, org: str, day: str, objects: tuple[str, ...] = (), token: str | None = "t") -> None:
        """Plans a tenant-day."""
        raw = tuple(RawObject(key, 5) for key in objects)
        self.days.append(TenantDay(org, day, raw, token, "m1"))

    def commit(self, table: str, *parts: Part, snapshot: int = 7, **more: Any) -> None:
        """Lands parts in a table."""
        total = sum(one.rows for one in parts)
        given = {"status": "committed", "snapshot": snapshot, "total_rows": 1000 + total, "rows": total}
        self.commits[table] = Committed(
            run=self.run, table=table, at=self.at, landed=parts, **{**given, **more}
        )

    def build(self, table: str, *parts: Part, inputs: tuple[str, ...], **more: Any) -> None:
        """Builds a table and commits it."""
        work = tuple(Work(one.org, one.day) for one in parts)
        self.prepared[table] = Prepared(
            run=self.run,
            table=table,
            status="ready",
            reason="",
            definition="d1",
            base=None,
            inputs=tuple(Input(name, 7, (), ()) for name in inputs),
            chunks=(work,),
            **more,
        )
        self.chunks.append(TableChunk(self.run, table, 0, parts, ()))
        self.commit(table, *parts)

    def plan(self) -> Plan:
        """The plan: one batch with every day."""
        units = tuple(Unit(day.org, day.day, 0, 1) for day in self.days)
        return Plan(
            run=self.run,
            planned_at=self.planned_at,
            refresh=("hourly",),
            partitions=tuple(self.days),
            batches=(units,) if units else (),
            levels=tuple((name,) for name in self.prepared),
            bases={},
        )

    def batches(self) -> list[SilverBatch]:
        """What came of the batch."""
        if not self.days or not self.ended:
            return []
        return [SilverBatch(self.run, 0, tuple(self.silver), tuple(self.failures))]

    def write(self, runs: RunStore) -> None:
        """Keeps all documents, as the steps would."""
        runs.put_plan(self.plan())
        for batch in self.batches():
            runs.put_silver(batch)
        for prepared in self.prepared.values():
            runs.put_prepared(prepared)
        for chunk in self.chunks:
            runs.put_chunk(chunk)
        for committed in self.commits.values():
            runs.put_committed(committed)
