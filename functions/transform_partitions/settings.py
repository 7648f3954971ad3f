"""Settings of silver's workers."""

from millrace.core.prefixes import DEAD_LETTERS, PROCESSED, RAW_EVENTS, RUNS
from millrace.core.uses import LAKE, uses
from millrace.lake.worker import WorkerSettings


class Settings(WorkerSettings):
    """Raw events, silver, and where rows without a valid type are set aside."""

    lake_bucket: str = uses(
        LAKE,
        "list",
        # Silver too: the checks of quality measure the file that was written.
        read=(RUNS, RAW_EVENTS, PROCESSED),
        write=(RUNS, PROCESSED, f"{DEAD_LETTERS}transform_partitions/"),
    )
