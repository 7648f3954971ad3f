"""Settings of the watch for anomalies."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import ANALYTICS, EVENTS, METADATA, uses


class Settings(FunctionSettings):
    """Where tiles and the states of watches are, where alerts are raised, and who the tenants are."""

    events_table: str = uses(EVENTS, "put")
    type_shards: int = 1
    analytics_table: str = uses(ANALYTICS, "get", "batch_get", "query", "put", "update", "write_all")
    metadata_table: str = uses(METADATA, "query")
