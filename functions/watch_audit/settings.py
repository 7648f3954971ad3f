"""Settings of the watch over the audit and the access log."""

from millrace.core.prefixes import ACCESS_LOGS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import ANALYTICS, EVENTS, LAKE, METADATA, uses


class Settings(FunctionSettings):
    """Where chains and the access log are and how far they were looked at, and where alerts are raised."""

    events_table: str = uses(EVENTS, "put")
    type_shards: int = 1
    analytics_table: str = uses(ANALYTICS, "get", "put", "update", "write_all")
    metadata_table: str = uses(METADATA, "get", "query", "put")
    lake_bucket: str = uses(LAKE, "list", read=(ACCESS_LOGS,))
