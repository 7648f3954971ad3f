"""A function that computes with DuckDB: its settings, and the connection that they make."""

from typing import TYPE_CHECKING

from millrace.core.settings import FunctionSettings
from millrace.lake import duck

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class WorkerSettings(FunctionSettings):
    """Where the lake is, and how much of the function DuckDB may have."""

    lake_bucket: str
    # Of the function, in MB.
    memory_mb: int
    threads: int = 2
    # Of /tmp, in MB.
    temp_mb: int = 4096


def connect(settings: WorkerSettings) -> "DuckDBPyConnection":
    """A database in memory that reaches the lake, within the function's share.

    Raises:
        PermanentError: there are no AWS credentials, or no extension that reads S3.
    """
    return duck.connect(
        memory_mb=duck.share(settings.memory_mb),
        threads=settings.threads,
        temp_limit_mb=settings.temp_mb,
        s3=duck.S3Access.from_environment(),
    )
