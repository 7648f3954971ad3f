"""The documents of runs in the lake: `runs/<run>/…`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core.errors import PermanentError, error_code, from_client_error
from millrace.core.prefixes import RUNS
from millrace.runs import documents
from millrace.runs.backfill import BackfillPlan
from millrace.runs.documents import (
    Begun,
    Committed,
    Materialized,
    Piece,
    Plan,
    Prepared,
    SilverBatch,
    Sources,
    Summary,
    TableChunk,
)

Document = TypeVar("Document")
# Documents that are read at once: a run has hundreds of batches, and each of its commits reads them all.
READERS = 16


class RunStore:
    """Reads and writes documents. A step that is repeated writes the same document again."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self.bucket = s3, bucket

    def put_plan(self, plan: Plan) -> None:
        """Keeps a plan."""
        self._put(plan.run, "plan", plan)

    def plan(self, run: str) -> Plan:
        """The plan of a run.

        Raises:
            PermanentError: there is none.
        """
        return self._need(Plan, run, "plan")

    def put_silver(self, batch: SilverBatch) -> None:
        """Keeps what came of a batch."""
        self._put(batch.run, f"silver/{batch.batch}", batch)

    def silver(self, run: str) -> list[SilverBatch]:
        """What came of every batch that came to an end."""
        return list(self._all(SilverBatch, run, "silver/"))

    def silver_batch(self, run: str, batch: int) -> SilverBatch | None:
        """What came of a batch; None where none came to an end."""
        return self._get(SilverBatch, run, f"silver/{batch}")

    def put_begun(self, begun: Begun) -> None:
        """Keeps that a portion was begun, and which of its pieces."""
        self._put(begun.run, f"begun/{begun.portion}/all", begun)

    def begun(self, run: str, portion: str) -> Begun | None:
        """What was begun of a portion; None where nothing was."""
        return self._get(Begun, run, f"begun/{portion}/all")

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
        return list(self._all(TableChunk, run, f"tables/{table}/chunks/"))

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
        return list(self._all(Committed, run, "commits/"))

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

    def put_materialized(self, done: Materialized) -> None:
        """Keeps what came of a tenant's feature views."""
        self._put(done.run, f"features/{done.org}", done)

    def materialized(self, run: str) -> list[Materialized]:
        """What came of the feature views of every tenant that the run came to."""
        return list(self._all(Materialized, run, "features/"))

    def put_backfill(self, plan: BackfillPlan) -> None:
        """Keeps the plan of a backfill."""
        self._put(plan.run, "backfill", plan)

    def backfill(self, run: str) -> BackfillPlan | None:
        """The plan of a backfill; None before it was made, and for runs of another kind."""
        return self._get(BackfillPlan, run, "backfill")

    def _need(self, kind: type[Document], run: str, name: str) -> Document:
        found = self._get(kind, run, name)
        if found is None:
            raise PermanentError(f"the run {run} has no {name}")
        return found

    def _put(self, run: str, name: str, document: Any) -> None:
        body = documents.write(document)
        try:
            self._s3.put_object(
                Bucket=self.bucket, Key=_key(run, name), Body=body, ContentType="application/json"
            )
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, f"keep {name} of a run") from error

    def _get(self, kind: type[Document], run: str, name: str) -> Document | None:
        try:
            body = self._s3.get_object(Bucket=self.bucket, Key=_key(run, name))["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if error_code(getattr(error, "response", {})) in {"NoSuchKey", "404"}:
                return None
            raise from_client_error(error, f"read {name} of a run") from error
        return documents.read(kind, body)

    def _all(self, kind: type[Document], run: str, prefix: str) -> Iterator[Document]:
        start = f"{RUNS}{run}/"
        listing = {"Bucket": self.bucket, "Prefix": f"{start}{prefix}"}
        while True:
            try:
                page = self._s3.list_objects_v2(**listing)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "list a run") from error
            names = [i["Key"].removeprefix(start).removesuffix(".json") for i in page.get("Contents", [])]
            with ThreadPoolExecutor(READERS) as pool:
                found = list(pool.map(partial(self._get, kind, run), names))
            yield from (document for document in found if document is not None)
            if not page.get("IsTruncated"):
                return
            listing["ContinuationToken"] = page["NextContinuationToken"]


def _key(run: str, name: str) -> str:
    return f"{RUNS}{run}/{name}.json"
