"""Settings of the worker that brings features online."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The lake, the online store, and how much of the function DuckDB may have."""

    lake_bucket: str
    feature_store_table: str
    # Of the function, in MB.
    memory_mb: int
    threads: int = 2
    # Of /tmp, in MB.
    temp_mb: int = 4096
