"""Settings of silver's workers."""

from millrace.lake.worker import WorkerSettings


class Settings(WorkerSettings):
    """Of a worker, and no more."""
