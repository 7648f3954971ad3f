"""What the steps of a run leave each other: documents in the lake, one writer each, so that a retry writes the same one.

The state machine carries only names and numbers. Everything here is plain JSON on the way (`write`, `read`).
"""

from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal, TypeVar, cast

import orjson
from pydantic import TypeAdapter

from millrace.quality.result import CheckResult

Status = Literal["committed", "unchanged", "blocked", "conflict", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class RawObject:
    """An object of raw and how many rows its manifest row counts in it."""

    key: str
    rows: int


@dataclass(frozen=True, slots=True)
class TenantDay:
    """What a run takes in of one tenant's UTC day: all of it, because a day is replaced as a whole."""

    org: str
    day: str
    objects: tuple[RawObject, ...]
    # Of the pending row that it is planned for; None where the run is over an interval.
    token: str | None = None
    # Changes exactly when a manifest row comes or goes.
    manifest: str = ""
    # Whether raw may have lost objects of the day: silver then keeps what it has of it, beside what is planned.
    merges: bool = False

    @property
    def rows(self) -> int:
        """As the manifest counts them, duplicates included."""
        return sum(part.rows for part in self.objects)


@dataclass(frozen=True, slots=True)
class Unit:
    """One bucket of a tenant-day: the events whose id hashes into it."""

    org: str
    day: str
    bucket: int
    buckets: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A tenant (and day) that could not be done, and why."""

    org: str
    day: str | None
    error: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to when a run takes in everything that was accepted, and what is missing of it.

    Attributes:
        at: when the run began, UTC text.
        not_archived: tenant → events accepted by then that the archive had not written when the run was planned.
        oldest: when the oldest of them was accepted, UTC text.
        more: whether there are more than were counted.
        unknown: why it is not known whether these are all; empty: they are.
    """

    at: str
    not_archived: dict[str, int] = field(default_factory=dict)
    oldest: str | None = None
    more: bool = False
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do.

    Attributes:
        bases: table → metadata location that the run starts from (None: no such table yet).
        remaining: tenant-days that are left for the next run.
        left_out: tenant-days that could not be planned, and why.
        set_aside: how many tenant-days an operator has taken out of the way.
        mark: None where the run takes nothing of raw in.
    """

    run: str
    planned_at: str
    refresh: tuple[str, ...]
    partitions: tuple[TenantDay, ...]
    batches: tuple[tuple[Unit, ...], ...]
    levels: tuple[tuple[str, ...], ...]
    bases: dict[str, str | None]
    remaining: int = 0
    left_out: tuple[Failure, ...] = ()
    set_aside: int = 0
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Suspected:
    """A field that is not protected and holds what looks like personal data, in so many of the events that were looked at.

    Attributes:
        pointer: the field's; `*` for items of lists, and for names that are personal data themselves.
        kind: one of `millrace.privacy.detector.KINDS`.
    """

    pointer: str
    kind: str
    events: int


@dataclass(frozen=True, slots=True)
class Part:
    """What a worker wrote of one tenant (and day) for one table: `rows_in = rows + duplicates + dead`.

    `looked` is how many events were searched for personal data, which `suspected` was found in.
    """

    table: str
    org: str
    day: str | None
    file: str | None
    rows_in: int
    rows: int
    duplicates: int = 0
    dead: int = 0
    size: int = 0
    checks: tuple[CheckResult, ...] = ()
    # Of the tenant-day that silver's rows were made of; empty for built tables.
    manifest: str = ""
    looked: int = 0
    suspected: tuple[Suspected, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """A portion of a run that a worker has begun, and the pieces that it recorded before it began each."""

    run: str
    portion: str
    pieces: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """What came of one unit of a batch, or of one work of a chunk."""

    parts: tuple[Part, ...] = ()
    failures: tuple[Failure, ...] = ()
    unread: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class SilverBatch:
    """What came of one batch of units. A tenant-day with a failure is committed to no table."""

    run: str
    batch: int
    parts: tuple[Part, ...]
    failures: tuple[Failure, ...]
    # Rows of events that no contract in force describes, all of them dead; `table` is the contract that they name.
    unread: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class InputFile:
    """A data file of an input; `day` is None where the input has no days."""

    path: str
    org: str
    day: str | None
    rows: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Input:
    """A table as another is built of it: one snapshot of it, with `columns` as (name, DuckDB type)."""

    table: str
    snapshot: int | None
    columns: tuple[tuple[str, str], ...]
    files: tuple[InputFile, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """Tables as a run reads them from `at` on (UTC text), one snapshot each."""

    run: str
    at: str
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True)
class Materialized:
    """What came of a tenant's online features: for each `entity`, `status` (`failed` with an `error`), and how many rows."""

    run: str
    org: str
    entities: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Work:
    """One tenant (and day) that a table is to be built anew for."""

    org: str
    day: str | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a table is built of, and for whom. `status`: `ready`, `unchanged` (nothing to do) or `skipped` (`reason` says why)."""

    run: str
    table: str
    status: Literal["ready", "unchanged", "skipped"]
    reason: str
    definition: str
    base: str | None
    inputs: tuple[Input, ...]
    chunks: tuple[tuple[Work, ...], ...]
    # Whether every tenant and day is made anew, so that what is not among the parts goes.
    whole: bool = False


@dataclass(frozen=True, slots=True)
class TableChunk:
    """What came of one chunk of a table's work."""

    run: str
    table: str
    chunk: int
    parts: tuple[Part, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Committed:
    """What came of a table in a run. `landed`: the parts that are in `snapshot`; `left_out`: those that are not, and why."""

    run: str
    table: str
    status: Status
    at: str
    snapshot: int | None = None
    base_snapshot: int | None = None
    rows: int = 0
    total_rows: int = 0
    landed: tuple[Part, ...] = ()
    left_out: tuple[Failure, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableSummary:
    """A table's line in what `millrace etl` answers. `rows` are all rows of the snapshot."""

    table: str
    rows: int
    snapshot: int | None
    status: Status


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """A check's line: the worst status over all tenants and days of the run."""

    table: str
    check: str
    status: str
    failed: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did."""

    run: str
    status: Literal["done", "partly", "failed"]
    started_at: str
    ended_at: str
    tables: tuple[TableSummary, ...]
    checks: tuple[CheckSummary, ...]
    failures: tuple[dict[str, Any], ...]
    partitions: int = 0
    rows_in: int = 0
    rows: int = 0
    duplicates: int = 0
    dead: int = 0
    remaining: int = field(default=0)
    set_aside: int = 0
    mark: Mark | None = None
    suspected: int = 0


Document = TypeVar("Document")


def write(document: Any) -> bytes:
    """A document as JSON, keys in the order of its fields."""
    return orjson.dumps(asdict(document))


def read(kind: type[Document], text: bytes) -> Document:
    """The document that `write` wrote.

    Raises:
        pydantic.ValidationError: the text is no such document.
    """
    adapter: TypeAdapter[Document] = _adapter(cast("Any", kind))
    return adapter.validate_json(text)


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
