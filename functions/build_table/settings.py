"""Settings of the worker that builds tables."""

from millrace.lake.worker import WorkerSettings


class Settings(WorkerSettings):
    """Of a worker, and no more."""
