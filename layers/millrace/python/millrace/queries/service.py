"""A query from its text to its answer: judged, limited, materialized, run, audited."""

import hashlib
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from millrace.core import audit
from millrace.core.errors import RetryableError
from millrace.core.sql import literal
from millrace.core.table import Table
from millrace.lake import duck
from millrace.queries import runner, sandbox, statement
from millrace.queries.bounds import Days, bounds
from millrace.queries.errors import (
    QueryError,
    RefusedQueryError,
    SqlError,
    TooLargeQueryError,
)
from millrace.queries.masking import masked
from millrace.queries.materialize import described, materialize
from millrace.queries.reader import Reader
from millrace.queries.results import Results
from millrace.queries.running import Running, RunningQuery
from millrace.queries.sentences import explained
from millrace.queries.statement import Judged
from millrace.queries.tables import Source, Tables, may_read, unknown

if TYPE_CHECKING:
    import duckdb

LeftOut = Callable[[str, str], Collection[str]]
Format = Literal["rows", "parquet", "either"]
MOST_ROWS = 10_000
MOST_BYTES = 4_000_000
_FOLDER = "query-"
# Longer than any query runs.
_LEFT_SECONDS = 3600
_TEXT = 2_000
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may use.

    Attributes:
        memory_mb: of the function.
        temp_mb: of its /tmp.
        read_mb: compressed, of the lake.
        threads: of DuckDB.
        temp_dir: where databases lie while they are needed.
    """

    memory_mb: int
    temp_mb: int
    read_mb: int
    threads: int = 2
    temp_dir: str = "/tmp"  # noqa: S108  a function's only place to write


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        sql: the text.
        limit: of the rows in the answer.
        format: `rows`; `parquet`, which is a link to all of them; `either`, a link where they are too many.
        id: of the query; a new one if it is empty.
    """

    sql: str
    limit: int = MOST_ROWS
    format: Format = "rows"
    id: str = ""


class Queries:
    """Answers questions, one at a time."""

    def __init__(
        self,
        tables: Tables,
        metadata: Table,
        results: Results,
        limits: Limits,
        s3: Callable[[], duck.S3Access | None],
        left_out: LeftOut = lambda _, __: frozenset(),
    ) -> None:
        """Makes no call.

        Args:
            tables: of the lake.
            metadata: where running queries and the audit are.
            results: that answers have no room for.
            limits: of a query.
            s3: gives the way to the lake, anew for each query: credentials end.
            left_out: of a tenant and a purpose, the numbers of the people whose rows are left out.
        """
        self._left_out = left_out
        self._tables, self._metadata, self._results = tables, metadata, results
        self._limits, self._s3 = limits, s3
        self._running = Running(metadata)
        self._alone = threading.Lock()
        _clear(Path(limits.temp_dir))

    def ask(self, reader: Reader, question: Question, seconds: float) -> dict[str, Any]:
        """The answer: `{"queryId", "columns", "rows", "rowCount", "truncated", "ms"}`, and `link` with what belongs to it.

        Raises:
            QueryError: there is no answer; refusals are in the audit.
            MillraceError: a store did not answer.
        """
        query, began = question.id or uuid4().hex, time.monotonic()
        if not _ID.fullmatch(query):
            raise SqlError("an id of a query has 1 to 64 of a-z, A-Z, 0-9, _ and -")
        running = self._running.start(reader.audited, query, reader.principal, seconds)
        try:
            with self._alone:
                answer, tables = self._answer(reader, question, query, running)
        except QueryError as error:
            self._audit_failure(reader, question, query, error)
            raise
        finally:
            running.end()
        line = {"tables": tables, "rows": answer["rowCount"], "exported": "link" in answer}
        self._audit(reader, "query.run", question, query, line)
        return {"queryId": query, **answer, "ms": round((time.monotonic() - began) * 1000)}

    @cached_property
    def _parser(self) -> "duckdb.DuckDBPyConnection":
        """Judges texts, and runs nothing of them."""
        import duckdb  # noqa: PLC0415

        return duckdb.connect(config={"threads": 1, "enable_external_access": False})

    def cancel(self, reader: Reader, query: str) -> bool:
        """Ends a running query of the reader's tenant; False if there is none."""
        if not self._running.cancel(reader.audited, query):
            return False
        audit.write(self._metadata, reader.audited, "query.cancel", reader.principal, {"queryId": query})
        return True

    def _answer(
        self, reader: Reader, question: Question, query: str, running: RunningQuery
    ) -> tuple[dict[str, Any], list[str]]:
        judged = statement.read(self._parser, question.sql)
        if judged.kind == "tables":
            return _listed(self._tables.names(reader)), []
        sources = self._sources(reader, judged)
        self._must_fit(sources, judged)
        with tempfile.TemporaryDirectory(prefix=_FOLDER, dir=self._limits.temp_dir) as folder:
            path = Path(folder) / "query.duckdb"
            without = self._left_out(reader.org, reader.purpose) if reader.org and reader.purpose else ()
            shown = self._materialize(path, sources, judged, running, without)
            # It may have been cancelled meanwhile.
            running.must_go_on()
            try:
                found = runner.run(self._task(path, judged, question), running.must_go_on)
            except SqlError as error:
                hidden = {
                    column.name.lower(): column.classification
                    for source in sources
                    for column in source.columns
                    if column.sql is None
                }
                raise explained(str(error), shown, hidden) from error
            return self._finished(reader, question, query, found, path), [one.dataset for one in sources]

    def _sources(self, reader: Reader, judged: Judged) -> list[Source]:
        days = bounds(judged.statement.node, self._tables.times()) if judged.statement.node else {}
        found = []
        for name in judged.statement.tables:
            past = judged.past.get(name)
            dataset = past.table.lower() if past is not None else name
            moment = past.moment if past is not None else None
            if may_read(reader, dataset):
                source = self._tables.open(reader, name, dataset, moment, days.get(name, Days()))
            elif dataset in self._tables.described():
                raise RefusedQueryError(f"{dataset} is not a table that {reader.principal} may read")
            else:
                source = None
            if source is None:
                raise unknown(dataset, self._tables.names(reader))
            found.append(source)
        return found

    def _must_fit(self, sources: list[Source], judged: Judged) -> None:
        planned = (
            0 if judged.kind == "describe" else sum(one.bytes(judged.statement.columns) for one in sources)
        )
        if planned > self._limits.read_mb * 1_000_000:
            raise TooLargeQueryError(
                f"the query would read {planned / 1e6:,.0f} MB of {', '.join(one.dataset for one in sources)}, and a query "
                f"reads {self._limits.read_mb} MB: name fewer columns, or fewer days (the table's time >= '2026-11-21')"
            )

    def _materialize(
        self,
        path: Path,
        sources: list[Source],
        judged: Judged,
        running: RunningQuery,
        without: Collection[str],
    ) -> set[str]:
        """Makes the database; returns the names of the columns that the reader sees."""
        import duckdb  # noqa: PLC0415

        if not sources:
            duckdb.connect(str(path)).close()
            return set()
        empty = judged.kind == "describe"
        try:
            with self._connected(path.parent) as connection, _watched(connection, running) as watched:
                materialize(connection, path, sources, judged.statement.columns, empty=empty, without=without)
                shown = {name for source in sources for name in described(connection, source)}
        except duckdb.InterruptException as error:
            watched.raise_reason()
            raise RetryableError("the query was interrupted") from error
        except duckdb.OutOfMemoryException as error:
            raise TooLargeQueryError(
                "the tables need more room than a query has: name fewer columns or days"
            ) from error
        except (duckdb.HTTPException, duckdb.IOException) as error:
            raise RetryableError(f"the lake could not be read: {error}") from error
        return shown

    @contextmanager
    def _connected(self, folder: Path) -> "Iterator[duckdb.DuckDBPyConnection]":
        connection = duck.connect(
            memory_mb=self._limits.memory_mb // 2,
            threads=self._limits.threads,
            temp_dir=folder,
            temp_limit_mb=max(64, self._limits.temp_mb // 2),
            s3=self._s3(),
        )
        try:
            yield connection
        finally:
            connection.close()

    def _task(self, path: Path, judged: Judged, question: Question) -> sandbox.Task:
        return sandbox.Task(
            database=str(path),
            text=judged.text,
            rows=0 if question.format == "parquet" else min(question.limit, MOST_ROWS),
            bytes=MOST_BYTES,
            whole=question.format != "rows",
            memory_mb=self._limits.memory_mb // 2,
            threads=self._limits.threads,
            temp_mb=max(64, self._limits.temp_mb // 2),
            temp_dir=str(path.parent / "spill"),
        )

    def _finished(
        self, reader: Reader, question: Question, query: str, found: dict[str, Any], path: Path
    ) -> dict[str, Any]:
        kept = found.pop("kept")
        if not kept:
            return found
        with self._connected(path.parent) as connection:
            connection.execute(f"ATTACH {literal(str(path))} AS box (READ_ONLY)")
            chosen = sandbox.result_sql(found["columns"], f"box.{sandbox.RESULT}")
            link = self._results.write(connection, chosen, reader.audited, query)
            (count,) = connection.execute(f"SELECT count(*) FROM box.{sandbox.RESULT}").fetchone() or (0,)  # noqa: S608
        rows = found["rows"] if question.format == "rows" else []
        return {**found, "rows": rows, "rowCount": count, "truncated": True, **link}

    def _audit_failure(self, reader: Reader, question: Question, query: str, error: QueryError) -> None:
        if isinstance(error, SqlError):
            # Nothing was read, and nothing was asked for that is somebody else's.
            return
        action = "query.denied" if isinstance(error, RefusedQueryError) else "query.failed"
        self._audit(
            reader,
            action,
            question,
            query,
            {"code": error.code, "reason": masked(question.sql).message(str(error))[:500]},
        )

    def _audit(
        self, reader: Reader, action: str, question: Question, query: str, more: Mapping[str, Any]
    ) -> None:
        text = question.sql.encode("utf-8", "surrogatepass")
        detail = {
            "queryId": query,
            "sha256": hashlib.sha256(text).hexdigest(),
            "sql": masked(question.sql).text.encode("utf-8", "replace")[:_TEXT].decode("utf-8", "ignore"),
            **more,
        }
        audit.write(self._metadata, reader.audited, action, reader.principal, detail)


class _Watch:
    """Interrupts a connection when its query must not go on."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", running: RunningQuery) -> None:
        self._connection, self._running = connection, running
        self._done, self._reason = threading.Event(), None
        self._thread = threading.Thread(target=self._look, daemon=True)

    _reason: BaseException | None

    def _look(self) -> None:
        while not self._done.wait(1.0):
            try:
                self._running.must_go_on()
            except Exception as error:  # noqa: BLE001  raised again by whoever waits
                self._reason = error
                self._connection.interrupt()
                return

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def raise_reason(self) -> None:
        if self._reason is not None:
            raise self._reason


@contextmanager
def _watched(connection: "duckdb.DuckDBPyConnection", running: RunningQuery) -> Iterator[_Watch]:
    watch = _Watch(connection, running)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def _clear(folder: Path) -> None:
    """Removes what a copy left behind that was ended in the middle; on a laptop other copies are at work in the same folder."""
    for left in folder.glob(f"{_FOLDER}*"):
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - _LEFT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _listed(names: list[str]) -> dict[str, Any]:
    return {
        "columns": [{"name": "table", "type": "VARCHAR"}],
        "rows": [[name] for name in names],
        "rowCount": len(names),
        "truncated": False,
    }
