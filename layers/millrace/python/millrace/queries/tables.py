"""The tables of the lake as a query finds them: what there is, which columns its caller sees, and which files hold their rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from itertools import islice
from typing import Any

from millrace.access import visibility
from millrace.catalog.datasets import RAW_COLUMNS
from millrace.contracts.registry import Registry
from millrace.core.errors import PermanentError
from millrace.core.objects import Objects
from millrace.core.prefixes import RAW_EVENTS
from millrace.core.sql import literal
from millrace.iceberg.glue_tables import locations
from millrace.iceberg.layout import READERS, RUN
from millrace.queries.bounds import Days
from millrace.queries.errors import SqlError, TooLargeQueryError
from millrace.queries.iceberg import IcebergTable, LakeFile, open_table
from millrace.queries.masks import RAW, Column, seen
from millrace.queries.reader import Reader
from millrace.queries.references import Moment, no_such_table
from millrace.warehouse.persons import person_columns
from millrace.warehouse.project import Project, Staging

SNAPSHOTS = "lake.snapshots"
STAGING = "staging"
RAW_TIME = "event_time"
_PARTITIONS = ("org", "category", "year", "month", "day")
_RAW_TYPES = {"string": "VARCHAR", "timestamp": "TIMESTAMPTZ", "binary": "BLOB", "bigint": "BIGINT"}
# Objects of raw that a query looks at; each has to be opened.
MOST_OBJECTS = 20_000
# Beyond it whole folders are listed.
_MOST_LISTED_DAYS = 62
_ALL_PAST, _OTHER_PAST = "lake.snapshots lists those there are", "name a time: AS OF '2026-11-21T10:00:00Z'"
_NARROW = "narrow it by the time of the table, such as event_time >= '2026-11-21'"


@dataclass(frozen=True, slots=True)
class Source:
    """A relation that a statement names, as its caller sees it.

    Attributes:
        name: `schema.name`, also of a table at a moment.
        dataset: which table it is.
        columns: all of the table's, in order; those without SQL are not shown.
        where: SQL of the rows that the caller sees; empty for all.
        files: Parquet files that hold them.
        rows: instead of files, rows themselves, a value for each column.
        view: of staging: the SQL of the view, after those that it reads.
        inputs: the tables that the view reads.
        persons: columns that say whose a row is.
    """

    name: str
    dataset: str
    columns: tuple[Column, ...]
    where: str = ""
    files: tuple[LakeFile, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    views: tuple[Staging, ...] = ()
    inputs: tuple["Source", ...] = ()
    persons: tuple[str, ...] = ()

    def bytes(self, wanted: frozenset[str] | None) -> int:
        """Compressed bytes of the columns that are read, as far as the files' sizes are known by column."""
        total = sum(one.bytes(None) for one in self.inputs)
        for file in self.files:
            some = [size for name, size in file.sizes.items() if wanted is None or name in wanted]
            total += sum(some) if file.sizes else file.bytes
        return total


class Tables:
    """The tables of one environment."""

    def __init__(
        self,
        glue: Any,
        environment: str,
        lake: Objects,
        registry: Registry,
        load_project: Callable[[], Project],
    ) -> None:
        self._glue, self._environment, self._lake, self._registry = glue, environment, lake, registry
        self._load_project = load_project

    def names(self, reader: Reader) -> list[str]:
        """Every table that the reader may query.

        Raises:
            MillraceError: Glue did not answer.
        """
        known = [RAW, *self._existing(), *sorted(self._staging), SNAPSHOTS]
        return [name for name in known if may_read(reader, name)]

    def described(self) -> frozenset[str]:
        """Every table that there may be, whoever may read it."""
        return frozenset({RAW, SNAPSHOTS, *self._registry.tables(), *self._staging})

    def times(self) -> dict[str, str]:
        """Table → the column that its days are of."""
        tables = self._registry.tables()
        found = {name: table.time_column for name, table in tables.items()}
        return {RAW: RAW_TIME, **{name: column for name, column in found.items() if column}}

    def open(
        self, reader: Reader, name: str, dataset: str, moment: Moment | None, days: Days
    ) -> Source | None:
        """A relation; None if there is no such table.

        Args:
            reader: who sees it.
            name: in the statement.
            dataset: the table; one that the reader may read.
            moment: of which past; None for now.
            days: whose rows are enough.

        Raises:
            SqlError: the table has no such past.
            TooLargeQueryError: it would look at too many objects.
            MillraceError: a store did not answer.
        """
        layer = dataset.partition(".")[0]
        if moment is not None and (dataset in (RAW, SNAPSHOTS) or layer == STAGING):
            why = "because it only grows; filter by received_at" if dataset == RAW else "of its own"
            raise SqlError(f"{dataset} has no snapshots {why}")
        if dataset == RAW:
            return self._raw(reader, name, days)
        if dataset == SNAPSHOTS:
            return self._snapshots(reader, name)
        if layer == STAGING:
            return self._view(reader, name, dataset)
        table = self._table(dataset)
        return None if table is None else self._source(reader, name, table, moment, days)

    def _existing(self) -> list[str]:
        return sorted(locations(self._glue, self._environment))

    def _table(self, dataset: str) -> IcebergTable | None:
        try:
            return open_table(self._glue, self._environment, self._lake, dataset)
        except ValueError:
            # It has no layer of ours.
            return None

    def _source(
        self, reader: Reader, name: str, table: IcebergTable, moment: Moment | None, days: Days
    ) -> Source:
        if moment is not None and moment.at is not None:
            known = table.snapshots()
            if not known or known[0].at > moment.at:
                # When others commit is none of a tenant's business.
                first = f": the first is of {known[0].at.isoformat()}" if known and not reader.org else ""
                raise SqlError(f"{table.name} has no snapshot before {moment.at.isoformat()}{first}")
        try:
            snapshot = table.snapshot(*((moment.snapshot, moment.at) if moment else ()))
        except PermanentError as error:
            raise SqlError(f"{error}; {_OTHER_PAST if reader.org else _ALL_PAST}") from error
        files = [one for one in table.files(snapshot, reader.org or None) if days.hold(one.day)]
        columns = self._columns(reader, table.name, table.columns)
        return self._filtered(reader, Source(name, table.name, columns, files=tuple(files)))

    def _columns(
        self, reader: Reader, dataset: str, columns: Iterable[tuple[str, str]]
    ) -> tuple[Column, ...]:
        described = self._registry.tables().get(dataset)
        classes = {one.name: one.classification for one in described.columns} if described else {}
        return tuple(seen(reader, dataset, columns, classes, ()))

    def _raw(self, reader: Reader, name: str, days: Days) -> Source:
        kinds = [(column, _RAW_TYPES[of]) for column, (of, _) in RAW_COLUMNS.items()]
        kinds += [(column, "VARCHAR") for column in _PARTITIONS]
        classes = {column: "internal" for column, _ in kinds}
        columns = seen(reader, RAW, kinds, classes, self._registry.contracts)
        files = tuple(self._objects(reader.org, days))
        return self._filtered(reader, Source(name, RAW, tuple(columns), files=files))

    def _objects(self, org: str, days: Days) -> Iterable[LakeFile]:
        prefix = f"{RAW_EVENTS}org={org}/" if org else RAW_EVENTS
        prefixes = [prefix]
        if org and (named := _dates(days)):
            folders = list(self._lake.list_folders(prefix, doing="list raw events"))
            prefixes = [
                f"{folder}year={one:%Y}/month={one:%m}/day={one:%d}/" for folder in folders for one in named
            ]
        listed = (one for each in prefixes for one in self._lake.list_objects(each, doing="list raw events"))
        found = [one for one in islice(listed, MOST_OBJECTS + 1) if one.key.endswith(".parquet")]
        if len(found) > MOST_OBJECTS:
            raise TooLargeQueryError(
                f"raw.events has more than {MOST_OBJECTS:,} objects of that time: {_NARROW}"
            )
        for one in found:
            parts = dict(part.partition("=")[::2] for part in one.key.split("/") if "=" in part)
            day = "-".join(parts.get(part, "") for part in ("year", "month", "day"))
            if days.hold(day):
                yield LakeFile(f"s3://{self._lake.bucket}/{one.key}", parts.get("org", ""), day, one.size, {})

    def _snapshots(self, reader: Reader, name: str) -> Source:
        """The snapshots of all tables. A commit has days of many tenants, so it is shown to who reads all of them."""
        kinds = {
            **{"table": "VARCHAR", "snapshot": "BIGINT", "committed_at": "TIMESTAMPTZ"},
            **{"operation": "VARCHAR", "run": "VARCHAR", "rows": "BIGINT"},
        }
        columns = tuple(Column(column, of, "internal", f'"{column}"') for column, of in kinds.items())
        readable = [dataset for dataset in self._existing() if may_read(reader, dataset)]
        with ThreadPoolExecutor(READERS) as pool:
            opened = list(pool.map(self._table, readable))
        rows = [
            (
                *(table.name, one.id, one.at, one.properties.get("operation", ""), one.properties.get(RUN)),
                one.properties.get("total-records"),
            )
            for table in opened
            if table is not None
            for one in table.snapshots()
        ]
        return Source(name, SNAPSHOTS, columns, rows=tuple(rows))

    @cached_property
    def _staging(self) -> Mapping[str, tuple[Staging, ...]]:
        """`staging.stg_x` → the view, after those that it reads itself."""
        found: dict[str, tuple[Staging, ...]] = {}
        for transform in self._load_project().transforms:
            for place, view in enumerate(transform.staging):
                found[f"{STAGING}.{view.name}"] = transform.staging[: place + 1]
        return found

    def _view(self, reader: Reader, name: str, dataset: str) -> Source | None:
        views = self._staging.get(dataset)
        if views is None:
            return None
        physical = {table for view in views for table in view.inputs if not table.startswith(f"{STAGING}.")}
        inputs = []
        for one in sorted(physical):
            table = self._table(one)
            described = self._registry.tables()[one]
            files = table.files(table.snapshot(), reader.org or None) if table is not None else []
            columns = tuple(seen_by_the_platform(described.columns))
            tenant = f"org_id = {literal(reader.org)}" if reader.org else ""
            persons = self._present(one, columns)
            inputs.append(Source(one, one, columns, where=tenant, files=tuple(files), persons=persons))
        return Source(name, dataset, (), views=views, inputs=tuple(inputs))

    def _filtered(self, reader: Reader, source: Source) -> Source:
        return Source(
            source.name,
            source.dataset,
            source.columns,
            where=reader.where(source.dataset, [column.name for column in source.columns]),
            files=source.files,
            persons=self._present(source.dataset, source.columns),
        )

    @cached_property
    def _persons(self) -> Mapping[str, tuple[str, ...]]:
        return person_columns(self._registry, self._load_project())

    def _present(self, dataset: str, columns: Iterable[Column]) -> tuple[str, ...]:
        """The columns of a dataset that name persons; a table of before may lack one."""
        there = {column.name for column in columns}
        return tuple(name for name in self._persons.get(dataset, ()) if name in there)


def may_read(reader: Reader, dataset: str) -> bool:
    """Whether a reader may query a table."""
    if dataset == SNAPSHOTS:
        return not reader.org
    return visibility.table_access(reader, dataset)


def unknown(name: str, known: Sequence[str]) -> SqlError:
    """The error for a table that is not there."""
    return no_such_table(name, lambda: known)


def seen_by_the_platform(columns: Iterable[Any]) -> Iterable[Column]:
    """All columns as they are: for views, whose own columns are made of none that is protected."""
    from millrace.contracts.columns import duckdb_type  # noqa: PLC0415

    for column in columns:
        kind = duckdb_type(column.type)
        yield Column(column.name, kind, column.classification, f'CAST("{column.name}" AS {kind})')


def _dates(days: Days) -> list[date]:
    """The days one by one, where both ends are known and they are not too many."""
    if days.first is None or days.last is None:
        return []
    count = (days.last - days.first).days + 1
    return [days.first + timedelta(days=at) for at in range(count)] if 0 < count <= _MOST_LISTED_DAYS else []
