"""Settings of silver's workers."""

from millrace.core.prefixes import DEAD_LETTERS, PROCESSED, RAW, RUNS
from millrace.core.uses import LAKE, uses
from millrace.lake.worker import WorkerSettings


class Settings(WorkerSettings):
    """Of a worker, and no more."""

    lake_bucket: str = uses(
        LAKE,
        "list",
        # What it has written it measures: the checks of quality are over the file itself.
        read=(RUNS, RAW, PROCESSED),
        write=(RUNS, PROCESSED, f"{DEAD_LETTERS}transform_partitions/"),
    )
