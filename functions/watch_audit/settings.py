"""Settings of the watch over the audit."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import ANALYTICS, EVENTS, METADATA, uses


class Settings(FunctionSettings):
    """Where chains are and how far they were looked at, and where alerts are raised."""

    events_table: str = uses(EVENTS, "put")
    type_shards: int = 1
    analytics_table: str = uses(ANALYTICS, "get", "put", "update", "write_all")
    metadata_table: str = uses(METADATA, "query", "put")
