"""Settings of the worker that builds training sets."""

from millrace.core.prefixes import CURATED, PROCESSED, RUNS
from millrace.core.uses import LAKE, uses
from millrace.lake.worker import WorkerSettings
from millrace.training.locations import DATASETS


class Settings(WorkerSettings):
    """Of a worker, and no more."""

    lake_bucket: str = uses(LAKE, "list", read=(RUNS, PROCESSED, CURATED), write=(DATASETS,))
