"""Settings of the reads."""

from millrace.core.prefixes import QUARANTINE
from millrace.core.settings import FunctionSettings
from millrace.core.uses import ANALYTICS, EVENTS, FEATURE_STORE, LAKE, METADATA, USER_EVENTS, uses


class Settings(FunctionSettings):
    """The stores that are read."""

    events_table: str = uses(
        EVENTS,
        "get",
        "batch_get",
        query=(
            "correlationId-timestamp-index",
            "entity-timestamp-index",
            "eventType-timestamp-index",
            "userId-timestamp-index",
        ),
    )
    type_shards: int = 1
    user_events_table: str = uses(USER_EVENTS, "get", query=("sessionId-timestamp-index",))
    metadata_table: str = uses(METADATA, "get", "query")
    feature_store_table: str = uses(FEATURE_STORE, "batch_get")
    analytics_table: str = uses(
        ANALYTICS, "batch_get", "query", query=("eventType-date-index", "userId-metricType-index")
    )
    lake_bucket: str = uses(LAKE, read=(QUARANTINE,))
