"""Settings of the worker that brings features online."""

from millrace.core.prefixes import CURATED, FEATURE_STATES, PROCESSED, RUNS
from millrace.core.uses import FEATURE_STORE, LAKE, SUBJECT_KEYS, uses
from millrace.lake.worker import WorkerSettings


class Settings(WorkerSettings):
    """The tables that are read, and where the online features are."""

    # Who is restricted, or has withdrawn a consent.
    subject_keys_table: str = uses(SUBJECT_KEYS, query=("listed-index",))
    lake_bucket: str = uses(LAKE, "list", read=(RUNS, PROCESSED, CURATED), write=(RUNS, FEATURE_STATES))
    feature_store_table: str = uses(FEATURE_STORE, "get", "put", "update", "write_all")
