"""Settings of the worker that builds training sets."""

from millrace.lake.worker import WorkerSettings


class Settings(WorkerSettings):
    """Of a worker, and no more."""
