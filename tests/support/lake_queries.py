"""Queries over the lake of an emulator, in this process: as the function runs them, or of all columns as they are stored."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import boto3

from cli.answers import FileAnswer
from millrace.contracts import registry
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.lake import duck
from millrace.queries.masks import Column
from millrace.queries.reader import Reader, operator
from millrace.queries.results import Results
from millrace.queries.service import Limits, Queries, Question
from millrace.queries.tables import Tables
from millrace.warehouse import project
from tests.support.stores import MemoryDynamoDB

_SECONDS = 300.0


class Unmasked(Tables):
    """Every column of a table, also those that no contract describes."""

    def _columns(
        self, reader: Reader, dataset: str, columns: Iterable[tuple[str, str]]
    ) -> tuple[Column, ...]:
        assert reader is not None
        assert dataset
        return tuple(Column(name, of, "internal", f'CAST("{name}" AS {of})') for name, of in columns)


def queries(endpoint: str, bucket: str, folder: Path, *, unmasked: bool = False) -> Queries:
    """Queries over an emulator's `local` lake; results of them are files in a folder."""
    s3, glue = boto3.client("s3", endpoint_url=endpoint), boto3.client("glue", endpoint_url=endpoint)
    kind = Unmasked if unmasked else Tables
    tables = kind(glue, "local", Objects(s3, bucket), registry.load(), project.load)
    access = duck.S3Access("test", "test", "us-east-1", endpoint=endpoint)
    limits = Limits(2_000, 2_000, 10_000, temp_dir=str(folder))
    return Queries(tables, Table(MemoryDynamoDB(), "Metadata"), Files(folder), limits, lambda: access)


def rows(asked: Queries, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Names of the columns and all rows of a statement, of all tenants."""
    found = asked.ask(operator(""), Question(sql, format="parquet"), _SECONDS)
    answer = FileAnswer(Path(found["link"]))
    return answer.names, answer.rows()


class Files(Results):
    """Results as files in a folder; their links are paths."""

    def __init__(self, folder: Path) -> None:
        super().__init__(self, "lake")
        self._folder = folder / "results"

    def generate_presigned_url(self, _: str, Params: dict[str, str], ExpiresIn: int) -> str:  # noqa: N803
        """As the client of S3."""
        assert ExpiresIn
        return str(self._folder / Params["Key"])

    def _place(self, key: str) -> str:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(path)
