"""Settings of the worker that builds training sets."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """Where the lake is, and how much of the function DuckDB may have."""

    lake_bucket: str
    # Of the function, in MB.
    memory_mb: int
    threads: int = 2
    # Of /tmp, in MB.
    temp_mb: int = 4096
