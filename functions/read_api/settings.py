"""Settings of the reads."""

from millrace.api.guard import GuardedSettings
from millrace.core.prefixes import EXTERNAL_DATA, QUARANTINE
from millrace.core.uses import (
    ANALYTICS,
    EVENTS,
    FEATURE_STORE,
    LAKE,
    METADATA,
    SUBJECT_KEYS,
    TENANT_KEY,
    USER_EVENTS,
    uses,
)


class Settings(GuardedSettings):
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
    # Who reads values of people, and which, is written down.
    metadata_table: str = uses(METADATA, "get", "put", "query")
    subject_keys_table: str = uses(SUBJECT_KEYS, "batch_get")
    tenant_key_id: str = uses(TENANT_KEY, "decrypt", "generate")
    feature_store_table: str = uses(FEATURE_STORE, "batch_get")
    analytics_table: str = uses(
        ANALYTICS, "batch_get", "query", query=("eventType-date-index", "userId-metricType-index")
    )
    lake_bucket: str = uses(LAKE, read=(EXTERNAL_DATA, QUARANTINE))
