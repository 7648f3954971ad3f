"""Settings of the reads."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The stores that are read."""

    events_table: str
    user_events_table: str
    metadata_table: str
    feature_store_table: str
    lake_bucket: str
