"""Settings of the worker that brings features online."""

from millrace.lake.worker import WorkerSettings


class Settings(WorkerSettings):
    """Of a worker, and where the online features are."""

    feature_store_table: str
