"""The one place where tables of the lake change: a run's parts of one table, in one snapshot, fenced.

The fence: the partitions that are about to be replaced must hold the data files they held where the run started. Each
attempt looks again. A partition that somebody else changed is left out as a conflict, and the next run takes it.

Whatever a partition sets off in foreign code leaves out that partition, by name, and no other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from millrace.contracts.tables import LakeTable
from millrace.core import clock
from millrace.core.errors import PermanentError, RetryableError, in_a_line
from millrace.iceberg import commit_rules as landings
from millrace.iceberg import replace, shape
from millrace.iceberg.commit_rules import Landing, LeftOut, Partition
from millrace.iceberg.exchange import Exchange
from millrace.iceberg.layout import DEFINITION, RUN
from millrace.iceberg.retry import NOT_OF_A_PART, until_committed
from millrace.iceberg.tables import Catalog, DataFile, OpenTable, SnapshotInfo, open_metadata
from millrace.runs import portions
from millrace.runs.documents import Committed, Failure, Part
from millrace.runs.store import RunStore

_CHANGED = "another run or a compaction changed it since this run was planned"


class Committer:
    """Commits what a run wrote for a table."""

    def __init__(
        self,
        store: RunStore,
        catalog: Catalog,
        tables: Mapping[str, LakeTable],
        optimize: Callable[[OpenTable], Mapping[str, str]] = lambda _: {},
    ) -> None:
        """Args of note.

        Args:
            store: of the run's documents.
            catalog: of the environment.
            tables: all contracts by full name.
            optimize: makes what keeps a table in shape; gives the properties that remember it.
        """
        self._store, self._catalog, self._tables, self._optimize = store, catalog, tables, optimize

    def commit(self, run: str, table: str) -> Committed:
        """Replaces what the run made anew; what came of it is kept as a document.

        Called again, it answers the same and commits nothing.

        Raises:
            RetryableError: the catalog or the store did not answer, or others commit to the table without end.
        """
        done = self._store.committed(run, table)
        if done is not None:
            return done
        landing = self._landing(run, table)
        try:
            found = self._commit(run, table, landing)
        except RetryableError:
            raise
        except Exception as error:  # noqa: BLE001  what no retry mends is an outcome, of this table alone
            refused = [LeftOut(partition, "failed", in_a_line(error, 500)) for partition in landing.parts]
            found = _outcome(run, table, landing.without(refused))
        self._store.put_committed(found)
        return found

    def _landing(self, run: str, table: str) -> Landing:
        if table.startswith("silver."):
            plan = self._store.plan(run)
            return landings.of_silver(plan, portions.silver(self._store, plan), table)
        prepared = self._store.prepared(run, table)
        return landings.of_built(prepared, portions.chunks(self._store, prepared))

    def _commit(self, run: str, table: str, landing: Landing) -> Committed:
        contract = self._tables.get(table)
        if contract is None:
            raise PermanentError(f"no contract describes {table}")
        return until_committed(f"commit {table}", lambda: self._attempt(run, contract, landing))

    def _attempt(self, run: str, contract: LakeTable, landing: Landing) -> Committed:
        if not landing.parts and not landing.whole:
            return _outcome(run, contract.full_name, landing)
        opened = shape.open_or_create(self._catalog, contract)
        before = next((s for s in opened.snapshots() if s.properties.get(RUN) == run), None)
        if before is not None:
            return _recovered(run, opened, before, landing)
        now = _by_partition(opened.files())
        landing = landing.without(self._conflicts(opened, now, landing))
        transaction = opened.table.transaction()
        shape.evolve(transaction, contract)
        paths = [part.file for parts in landing.parts.values() for part in parts if part.file is not None]
        footers = replace.read_footers(transaction, opened, paths)
        landing = landing.without(_unfit(landing, footers))
        exchange = Exchange(run, opened, now, footers)
        try:
            gone, come = exchange.stage(transaction, landing)
        except NOT_OF_A_PART:
            raise
        except Exception:  # noqa: BLE001  foreign code, over data of many tenants
            # Nothing is committed of what was staged. The parts are tried apart, and what is not to blame lands.
            landing = landing.without(exchange.unfit(contract, landing))
            transaction = opened.table.transaction()
            shape.evolve(transaction, contract)
            gone, come = exchange.stage(transaction, landing)
        properties = self._properties(opened, landing, changed=bool(gone or come))
        if properties:
            transaction.set_properties(properties)
        base = opened.snapshot_id
        done = OpenTable(opened.name, transaction.commit_transaction())
        if not gone and not come:
            return _outcome(run, contract.full_name, landing, done)
        total = sum(f.rows for files in now.values() for f in files) - _rows(gone) + _rows(come)
        return _outcome(run, contract.full_name, landing, done, base=base, total=total)

    def _properties(self, opened: OpenTable, landing: Landing, *, changed: bool) -> dict[str, str]:
        """The table's properties that change with this commit; `changed`: whether it has a snapshot of its own."""
        wanted = dict(self._optimize(opened))
        if landing.definition and (changed or not landing.left_out):
            # Who was left behind is unfinished by this run's documents, which its snapshot leads to: the next run does
            # those again, and not all of the others beside them.
            wanted[DEFINITION] = landing.definition
        return {name: value for name, value in wanted.items() if opened.properties.get(name) != value}

    def _conflicts(
        self, opened: OpenTable, now: Mapping[Partition, list[DataFile]], landing: Landing
    ) -> list[LeftOut]:
        if landing.base == opened.metadata_location:
            return []
        held: Mapping[Partition, list[DataFile]] = {}
        if landing.base is not None:
            try:
                start = open_metadata(self._catalog, opened.name, landing.base)
                held = _by_partition(start.files())
            except FileNotFoundError:
                # A hundred commits later nobody can say what the run saw.
                return [LeftOut(partition, "conflict", _CHANGED) for partition in landing.replaces(now)]
        return [
            LeftOut(partition, "conflict", _CHANGED)
            for partition in sorted(landing.replaces({*now, *held}), key=str)
            if _paths(now.get(partition, [])) != _paths(held.get(partition, []))
        ]


def _recovered(run: str, opened: OpenTable, snapshot: SnapshotInfo, landing: Landing) -> Committed:
    """The outcome of a commit that landed without anybody hearing of it."""
    files = opened.files(snapshot.id)
    held = _by_partition(files)
    paths = {file.path for file in files}
    missing = [
        LeftOut(partition, "conflict", _CHANGED)
        for partition, parts in landing.parts.items()
        if not all(part.file in paths if part.file else not held.get(partition) for part in parts)
    ]
    rest = landing.without(missing)
    return _outcome(
        run, opened.name, rest, opened, base=snapshot.parent, total=_rows(files), snapshot=snapshot.id
    )


def _outcome(
    run: str,
    table: str,
    landing: Landing,
    opened: OpenTable | None = None,
    *,
    base: int | None = None,
    total: int | None = None,
    snapshot: int | None = None,
) -> Committed:
    landed = tuple(part for parts in landing.parts.values() for part in parts)
    return Committed(
        run=run,
        table=table,
        status="committed" if total is not None else landings.status((), landing.left_out),
        at=clock.utc_text(clock.now()),
        snapshot=snapshot or (opened.snapshot_id if opened is not None else None),
        base_snapshot=base,
        rows=sum(part.rows for part in landed),
        total_rows=total if total is not None else _rows(opened.files() if opened is not None else []),
        landed=landed,
        left_out=tuple(Failure(*out.partition, f"{out.reason}: {out.error}") for out in landing.left_out),
        columns=tuple(name for name, _ in opened.columns) if opened is not None else (),
    )


def _unfit(landing: Landing, footers: Mapping[str, DataFile | str]) -> Iterable[LeftOut]:
    for partition, parts in landing.parts.items():
        for part in parts:
            found = footers[part.file] if part.file is not None else None
            if (wrong := _wrong(partition, part, found)) is not None:
                yield LeftOut(partition, "failed", wrong)
                break


def _wrong(partition: Partition, part: Part, found: DataFile | str | None) -> str | None:
    if isinstance(found, str):
        return found
    if found is None:
        return None
    if (found.org, found.day) != partition:
        return f"its file is of {found.org} {found.day or ''}"
    return f"its file has {found.rows} rows, not {part.rows}" if found.rows != part.rows else None


def _by_partition(files: Iterable[DataFile]) -> dict[Partition, list[DataFile]]:
    found: dict[Partition, list[DataFile]] = defaultdict(list)
    for file in files:
        found[file.org, file.day].append(file)
    return found


def _paths(files: Iterable[DataFile]) -> set[str]:
    return {file.path for file in files}


def _rows(files: Iterable[DataFile]) -> int:
    return sum(file.rows for file in files)
