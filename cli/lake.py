"""Queries over the lake: all of them run in the platform's function `query_lake`, which decides what their caller sees."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from uuid import uuid4

import urllib3

from cli import tenants
from cli.answers import Answer, FileAnswer, ListAnswer
from cli.api import Api
from cli.errors import CommandError, RefusedError
from cli.query_calls import Ask, Cancel, by_api, by_operator
from cli.target import Target

# In a URL of our own S3.
_DOWNLOAD = urllib3.Timeout(connect=3.0, read=60.0)


class Lake:
    """The tables of one platform, as the function shows them to the caller.

    With a tenant every table has the rows of that tenant alone; without, those of all, for whoever may invoke the function.
    """

    def __init__(self, target: Target, org: str | None = None) -> None:
        """Makes no call.

        Raises:
            UsageError: MILLRACE_API_KEY is of another tenant.
        """
        self._ask, self._cancel = calls(target, org)
        self._columns: dict[str, list[str]] = {}

    def __enter__(self) -> "Lake":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    @contextmanager
    def ask(self, sql: str) -> Iterator[Answer]:
        """Runs one statement. The answer is read within the context.

        Raises:
            UsageError: the statement is wrong, or names a table or a snapshot that is not there.
            RefusedError: it does more than read what its caller may, or did not come to its end.
        """
        found = self._asked(sql, "either")
        if "link" not in found:
            yield ListAnswer(found["columns"], found["rows"])
            return
        with TemporaryDirectory(prefix="millrace-query-") as folder:
            path = Path(folder) / "rows.parquet"
            download(found["link"], path)
            yield FileAnswer(path)

    def save(self, sql: str, path: Path) -> int:
        """Writes the rows of one statement to a Parquet file, which is there whole or not at all; returns how many.

        Raises:
            CommandError: as `ask`, or the file cannot be written.
        """
        found = self._asked(sql, "parquet")
        made = path.with_name(f".{path.name}.{uuid4().hex}")
        try:
            download(found["link"], made)
            made.replace(path)
        except OSError as error:
            raise RefusedError(f"{path} cannot be written: {error}") from error
        finally:
            made.unlink(missing_ok=True)
        return int(found["rowCount"])

    def tables(self) -> list[str]:
        """Every table that can be queried."""
        with self.ask("SHOW TABLES") as answer:
            return [str(name) for (name,) in answer.rows()]

    def columns(self, table: str) -> list[str]:
        """The columns of a table; asked for once."""
        if table not in self._columns:
            with self.ask(f"DESCRIBE {table}") as answer:
                self._columns[table] = [str(row[0]) for row in answer.rows()]
        return self._columns[table]

    def _asked(self, sql: str, form: Literal["either", "parquet"]) -> dict[str, Any]:
        query = uuid4().hex
        try:
            return self._ask({"sql": sql, "format": form, "id": query})
        except KeyboardInterrupt:
            # Who stops waiting does not want it any more.
            with suppress(CommandError, OSError):
                self._cancel(query)
            raise


def calls(target: Target, org: str | None) -> tuple[Ask, Cancel]:
    """Who runs the queries of a tenant, or of all: the API where a key or a sign-in is here, else the function by AWS's rights."""
    if org is not None and (tenants.calls_as_one(target) or target.keys.get(org)):
        return by_api(Api(target, org))
    return by_operator(target, org)


def rows(target: Target, sql: str, org: str | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Runs one statement; returns the names of the columns and the rows. Raises as `Lake` does."""
    with Lake(target, org) as lake, lake.ask(sql) as answer:
        return answer.names, answer.rows()


def download(link: str, path: Path) -> None:
    """Writes what a link names to a file.

    Raises:
        RefusedError: it could not be read.
        OSError: the file cannot be written.
    """
    with urllib3.PoolManager(timeout=_DOWNLOAD) as pool:
        try:
            with pool.request("GET", link, preload_content=False) as response, path.open("wb") as file:
                if response.status != 200:
                    raise RefusedError(f"the result could not be read: status {response.status}")
                for part in response.stream(1 << 20):
                    file.write(part)
        except urllib3.exceptions.HTTPError as error:
            raise RefusedError(f"the result could not be read: {error}") from error
