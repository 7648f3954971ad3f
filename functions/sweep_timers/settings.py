"""Settings of the sweep of timers."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import ANALYTICS, EVENTS, METADATA, USER_EVENTS, uses


class Settings(FunctionSettings):
    """Where timers are, where the events are looked for that they wait for, and where alerts are raised."""

    events_table: str = uses(
        EVENTS,
        "get",
        "batch_get",
        "put",
        query=("correlationId-timestamp-index", "entity-timestamp-index", "userId-timestamp-index"),
    )
    type_shards: int = 1
    user_events_table: str = uses(USER_EVENTS, query=("sessionId-timestamp-index",))
    analytics_table: str = uses(ANALYTICS, "get", "query", "put", "update", "delete", "write_all")
    metadata_table: str = uses(METADATA, "query")
