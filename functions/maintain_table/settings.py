"""Settings of the maintenance."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """Where the tables are, and how long a table can be read as it was: days, and snapshots at least."""

    lake_bucket: str
    keep_days: int = 7
    keep_snapshots: int = 20
