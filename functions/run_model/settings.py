"""Settings of the worker that runs models."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """Where the lake is, and what DuckDB may take of this function."""

    lake_bucket: str
    duckdb_memory_mb: int = 2_000
    duckdb_threads: int = 2
