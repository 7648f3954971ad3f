"""Settings of the worker that builds tables."""

from millrace.core.prefixes import CURATED, PROCESSED, RUNS
from millrace.core.uses import LAKE, uses
from millrace.lake.worker import WorkerSettings


class Settings(WorkerSettings):
    """The tables that are read, and those that are built."""

    lake_bucket: str = uses(LAKE, "list", read=(RUNS, PROCESSED, CURATED), write=(RUNS, CURATED))
