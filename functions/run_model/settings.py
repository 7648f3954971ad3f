"""Settings of the worker that runs models."""

from millrace.lake.worker import WorkerSettings


class Settings(WorkerSettings):
    """Of a worker, and no more."""
