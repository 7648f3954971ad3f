"""Settings of the worker that builds training sets."""

from millrace.core.prefixes import CURATED, PROCESSED, RUNS
from millrace.core.uses import LAKE, SUBJECT_KEYS, uses
from millrace.lake.worker import WorkerSettings
from millrace.training.locations import DATASETS


class Settings(WorkerSettings):
    """The files that a run has pinned, and where training sets go."""

    # Who is restricted, or has withdrawn a consent.
    subject_keys_table: str = uses(SUBJECT_KEYS, query=("listed-index",))
    lake_bucket: str = uses(LAKE, "list", read=(RUNS, PROCESSED, CURATED), write=(DATASETS,))
