"""Settings of the worker that builds tables."""

from millrace.core.prefixes import CURATED, PROCESSED, RUNS
from millrace.core.uses import LAKE, uses
from millrace.lake.worker import WorkerSettings


class Settings(WorkerSettings):
    """Of a worker, and no more."""

    lake_bucket: str = uses(LAKE, "list", read=(RUNS, PROCESSED, CURATED), write=(RUNS, CURATED))
