"""Settings of changes of alerts."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import ANALYTICS, EVENTS, METADATA, uses


class Settings(FunctionSettings):
    """Where alerts are, where their events are appended, and where mutes and the audit are kept."""

    events_table: str = uses(EVENTS, "get", "put")
    type_shards: int = 1
    analytics_table: str = uses(ANALYTICS, "get", "update")
    metadata_table: str = uses(METADATA, "query", "put", "write_all")
