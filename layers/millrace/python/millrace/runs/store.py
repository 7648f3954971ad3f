"""The documents of runs in the lake: `runs/<run>/…`."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from millrace.core.errors import PermanentError
from millrace.core.objects import Objects
from millrace.core.prefixes import RUNS
from millrace.runs import documents
from millrace.runs.backfill import BackfillPlan
from millrace.runs.documents import (
    Committed,
    Materialized,
    Piece,
    Plan,
    Prepared,
    Progress,
    SilverBatch,
    Sources,
    Summary,
    TableChunk,
)
from millrace.runs.plan_parts import PlanBatch, PlanIndex, join, split

Document = TypeVar("Document")
# Documents that are read or written at once: a run has hundreds of batches, and each of its commits reads them all.
AT_ONCE = 16


class RunStore:
    """Reads and writes documents. A step that is repeated writes the same document."""

    def __init__(self, lake: Objects) -> None:
        self._lake = lake

    def put_plan(self, plan: Plan) -> None:
        """Keeps a plan: its batches first, so that the index names only what is there."""
        index, batches = split(plan, uuid4().hex[:12])
        names = [_batch(index, number) for number in range(index.batches)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(partial(self._put, plan.run), names, batches))
        self._put(plan.run, "plan", index)

    def plan_index(self, run: str) -> PlanIndex:
        """The plan of a run without its batches.

        Raises:
            PermanentError: there is none.
        """
        return self._need(PlanIndex, run, "plan")

    def plan_batch(self, run: str, batch: int) -> PlanBatch:
        """A batch of the plan of a run.

        Raises:
            PermanentError: there is no plan, or it has no such batch.
        """
        index = self.plan_index(run)
        if not 0 <= batch < index.batches:
            raise PermanentError(f"the run {run} has no batch {batch}")
        return self._need(PlanBatch, run, _batch(index, batch))

    def plan(self, run: str) -> Plan:
        """The whole plan of a run.

        Raises:
            PermanentError: there is none.
        """
        index = self.plan_index(run)
        names = [_batch(index, number) for number in range(index.batches)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return join(index, list(pool.map(partial(self._need, PlanBatch, run), names)))

    def put_silver(self, batch: SilverBatch) -> None:
        """Keeps what came of a batch."""
        self._put(batch.run, f"silver/{batch.batch}", batch)

    def silver(self, run: str) -> list[SilverBatch]:
        """What came of every batch that came to an end."""
        return self._all(SilverBatch, run, "silver/")

    def silver_batch(self, run: str, batch: int) -> SilverBatch | None:
        """What came of a batch; None where none came to an end."""
        return self._get(SilverBatch, run, f"silver/{batch}")

    def put_progress(self, progress: Progress) -> None:
        """Keeps that a portion was begun, and which of its pieces."""
        self._put(progress.run, f"begun/{progress.portion}/all", progress)

    def progress(self, run: str, portion: str) -> Progress | None:
        """Which pieces of a portion were begun; None where none was."""
        return self._get(Progress, run, f"begun/{portion}/all")

    def put_piece(self, run: str, portion: str, number: int, piece: Piece) -> None:
        """Keeps what came of a piece."""
        self._put(run, f"begun/{portion}/{number}", piece)

    def piece(self, run: str, portion: str, number: int) -> Piece | None:
        """What came of a piece; None where it did not come to an end."""
        return self._get(Piece, run, f"begun/{portion}/{number}")

    def put_prepared(self, prepared: Prepared) -> None:
        """Keeps what a table is to be built of."""
        self._put(prepared.run, f"tables/{prepared.table}/prepared", prepared)

    def prepared(self, run: str, table: str) -> Prepared:
        """What a table is to be built of.

        Raises:
            PermanentError: it was not prepared.
        """
        return self._need(Prepared, run, f"tables/{table}/prepared")

    def put_chunk(self, chunk: TableChunk) -> None:
        """Keeps what came of a chunk of a table."""
        self._put(chunk.run, f"tables/{chunk.table}/chunks/{chunk.chunk}", chunk)

    def chunks(self, run: str, table: str) -> list[TableChunk]:
        """What came of every chunk of a table that came to an end."""
        return self._all(TableChunk, run, f"tables/{table}/chunks/")

    def chunk(self, run: str, table: str, chunk: int) -> TableChunk | None:
        """What came of a chunk; None where it did not come to an end."""
        return self._get(TableChunk, run, f"tables/{table}/chunks/{chunk}")

    def put_committed(self, committed: Committed) -> None:
        """Keeps what came of a table."""
        self._put(committed.run, f"commits/{committed.table}", committed)

    def committed(self, run: str, table: str) -> Committed | None:
        """What came of a table; None where the run has not come to it."""
        return self._get(Committed, run, f"commits/{table}")

    def commits(self, run: str) -> list[Committed]:
        """What came of every table that the run came to."""
        return self._all(Committed, run, "commits/")

    def put_summary(self, summary: Summary) -> None:
        """Keeps what a run did."""
        self._put(summary.run, "summary", summary)

    def summary(self, run: str) -> Summary | None:
        """What a run did; None while it runs."""
        return self._get(Summary, run, "summary")

    def put_sources(self, sources: Sources) -> None:
        """Keeps the tables that a run has pinned."""
        self._put(sources.run, "sources", sources)

    def sources(self, run: str) -> Sources | None:
        """The tables that a run has pinned; None before."""
        return self._get(Sources, run, "sources")

    def put_silver_sources(self, sources: Sources) -> None:
        """Keeps the files of silver that a run merges with."""
        self._put(sources.run, "silver-sources", sources)

    def silver_sources(self, run: str) -> Sources | None:
        """The files of silver that a run merges with; None before they are pinned."""
        return self._get(Sources, run, "silver-sources")

    def put_materialized(self, done: Materialized) -> None:
        """Keeps what came of a tenant's feature views."""
        self._put(done.run, f"features/{done.org}", done)

    def materialized(self, run: str) -> list[Materialized]:
        """What came of the feature views of every tenant that the run came to."""
        return self._all(Materialized, run, "features/")

    def materialized_of(self, run: str, org: str) -> Materialized | None:
        """What came of a tenant's feature views; None where the run has not come to the tenant."""
        return self._get(Materialized, run, f"features/{org}")

    def put_backfill(self, plan: BackfillPlan) -> None:
        """Keeps the plan of a backfill."""
        self._put(plan.run, "backfill", plan)

    def backfill(self, run: str) -> BackfillPlan | None:
        """The plan of a backfill; None before it was made, and for runs of another kind."""
        return self._get(BackfillPlan, run, "backfill")

    def _need(self, kind: type[Document], run: str, name: str) -> Document:
        document = self._get(kind, run, name)
        if document is None:
            raise PermanentError(f"the run {run} has no {name}")
        return document

    def _put(self, run: str, name: str, document: Any) -> None:
        body = documents.write(document)
        self._lake.put(_key(run, name), body, content_type="application/json", doing=f"keep {name} of a run")

    def _get(self, kind: type[Document], run: str, name: str) -> Document | None:
        body = self._lake.find(_key(run, name), doing=f"read {name} of a run")
        return None if body is None else documents.read(kind, body)

    def _all(self, kind: type[Document], run: str, prefix: str) -> list[Document]:
        start = f"{RUNS}{run}/"
        listed = self._lake.list_objects(f"{start}{prefix}", doing="list a run")
        names = [one.key.removeprefix(start).removesuffix(".json") for one in listed]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            documents = list(pool.map(partial(self._get, kind, run), names))
        return [document for document in documents if document is not None]


def _key(run: str, name: str) -> str:
    return f"{RUNS}{run}/{name}.json"


def _batch(index: PlanIndex, number: int) -> str:
    return f"plan/{index.version}/{number}"
