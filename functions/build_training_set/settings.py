"""Settings of the worker that builds training sets."""

from millrace.core.prefixes import CURATED, PROCESSED, RUNS
from millrace.core.uses import LAKE, uses
from millrace.lake.worker import WorkerSettings
from millrace.training.locations import DATASETS


class Settings(WorkerSettings):
    """The files that a run has pinned, and where training sets go."""

    lake_bucket: str = uses(LAKE, "list", read=(RUNS, PROCESSED, CURATED), write=(DATASETS,))
