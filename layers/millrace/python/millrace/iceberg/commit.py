"""The one place where tables of the lake change: a run's parts of one table, in one snapshot, fenced.

Each attempt gathers the facts anew, decides (iceberg/commit_decision.py), and applies what was decided. Whatever a partition
sets off in foreign code leaves out that partition, by name, and no other.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from millrace.contracts.tables import LakeTable
from millrace.core import clock
from millrace.core.errors import PermanentError, RetryableError, in_a_line
from millrace.iceberg import commit_request, exchange, shape
from millrace.iceberg.commit_decision import CommitFacts, decide, recover, without_conflicts
from millrace.iceberg.commit_request import CommitRequest, LeftOut
from millrace.iceberg.data_file import Files, by_partition, total_rows
from millrace.iceberg.layout import RUN
from millrace.iceberg.replace import read_footers
from millrace.iceberg.retry import NOT_OF_A_PART, until_committed
from millrace.iceberg.tables import IcebergCatalog, OpenTable, open_metadata
from millrace.runs import portions
from millrace.runs.documents import Committed, Failure
from millrace.runs.store import RunStore


def silver_to_commit(store: RunStore, run: str) -> tuple[str, ...]:
    """The tables of silver that the run wrote files for, in order.

    Raises:
        PermanentError: the run has no plan.
        RetryableError: the lake did not answer.
    """
    return portions.silver_tables(portions.silver(store, run, store.plan_index(run).batches))


class Committer:
    """Commits what a run wrote for a table."""

    def __init__(
        self,
        store: RunStore,
        catalog: IcebergCatalog,
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

        A repeated call returns the same and commits nothing.

        Raises:
            RetryableError: the catalog or the store did not answer, or others commit to the table without end.
        """
        done = self._store.committed(run, table)
        if done is not None:
            return done
        request = self._request(run, table)
        try:
            committed = self._commit(run, table, request)
        except RetryableError:
            raise
        except Exception as error:  # noqa: BLE001  what no retry mends is an outcome, of this table alone
            refused = [LeftOut(partition, "failed", in_a_line(error, 500)) for partition in request.parts]
            committed = _committed(run, table, request.without(refused))
        self._store.put_committed(committed)
        return committed

    def _request(self, run: str, table: str) -> CommitRequest:
        if table.startswith("silver."):
            plan = self._store.plan_index(run)
            batches = portions.silver(self._store, run, plan.batches)
            return commit_request.of_silver(plan.bases.get(table), batches, table)
        prepared = self._store.prepared(run, table)
        return commit_request.of_built(prepared, portions.chunks(self._store, prepared))

    def _commit(self, run: str, table: str, request: CommitRequest) -> Committed:
        contract = self._tables.get(table)
        if contract is None:
            raise PermanentError(f"no contract describes {table}")
        return until_committed(f"commit {table}", lambda: self._attempt(run, contract, request))

    def _attempt(self, run: str, contract: LakeTable, request: CommitRequest) -> Committed:
        if not request.parts and not request.whole:
            return _committed(run, contract.full_name, request)
        opened = shape.open_or_create(self._catalog, contract)
        if (recovered := _recovered(run, opened, request)) is not None:
            return recovered
        facts = self._facts(opened, contract, request)
        decision = decide(request, facts)
        try:
            transaction = exchange.stage(opened, contract, run, decision)
        except NOT_OF_A_PART:
            raise
        except Exception:  # noqa: BLE001  foreign code, over data of many tenants
            # Nothing is committed of what was staged. The parts are tried apart, and what is not to blame is committed.
            refused = exchange.refused(opened, contract, run, decision.request, facts)
            decision = decide(request, replace(facts, refused=refused))
            transaction = exchange.stage(opened, contract, run, decision)
        # Glue is called when all is staged: an attempt that fails before leaves nothing behind.
        if upkeep := self._optimize(opened):
            transaction.set_properties(dict(upkeep))
        # The commit changes the opened table as well.
        base = opened.snapshot_id
        changed = OpenTable(opened.name, transaction.commit_transaction())
        committed = _committed(run, opened.name, decision.request, changed, total_rows(decision.files))
        if not decision.makes_snapshot:
            return committed
        return replace(committed, status="committed", base_snapshot=base)

    def _facts(self, opened: OpenTable, contract: LakeTable, request: CommitRequest) -> CommitFacts:
        now = by_partition(opened.files())
        base = self._base(opened, now, request.base)
        files = without_conflicts(request, now, base).files
        footers = read_footers(exchange.evolved(opened, contract), opened, files)
        return CommitFacts(now, base, footers, opened.properties)

    def _base(self, opened: OpenTable, now: Files, location: str | None) -> Files | None:
        """The table's files at an earlier metadata location; None where that is gone, a hundred commits later."""
        if location is None:
            return {}
        if location == opened.metadata_location:
            return now
        try:
            return by_partition(open_metadata(self._catalog, opened.name, location).files())
        except FileNotFoundError:
            return None


def _recovered(run: str, opened: OpenTable, request: CommitRequest) -> Committed | None:
    """What came of a commit of this run that is in the table already."""
    snapshot = next((one for one in opened.snapshots() if one.properties.get(RUN) == run), None)
    if snapshot is None:
        return None
    files = opened.files(snapshot.id)
    return replace(
        _committed(run, opened.name, recover(request, files), opened, total_rows(files)),
        status="committed",
        snapshot=snapshot.id,
        base_snapshot=snapshot.parent,
    )


def _committed(
    run: str, table: str, request: CommitRequest, opened: OpenTable | None = None, rows: int = 0
) -> Committed:
    """The outcome of a commit without a snapshot of its own."""
    parts = request.all_parts
    return Committed(
        run=run,
        table=table,
        status=request.unchanged_status(),
        at=clock.utc_text(clock.now()),
        snapshot=opened.snapshot_id if opened is not None else None,
        rows=sum(part.rows for part in parts),
        total_rows=rows,
        landed=parts,
        left_out=tuple(Failure(*one.partition, f"{one.reason}: {one.error}") for one in request.left_out),
        columns=tuple(name for name, _ in opened.columns) if opened is not None else (),
    )
