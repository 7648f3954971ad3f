"""Settings of the worker that seals days of tiles."""

from millrace.core.prefixes import PROCESSED, RUNS
from millrace.core.uses import ANALYTICS, LAKE, METADATA, uses
from millrace.lake.worker import WorkerSettings


class Settings(WorkerSettings):
    """Silver, what waits for it, and where tiles lie."""

    lake_bucket: str = uses(LAKE, "list", read=(RUNS, PROCESSED))
    analytics_table: str = uses(ANALYTICS, "batch_get", "query", "put", "delete", "write_all")
    metadata_table: str = uses(METADATA, "query")
