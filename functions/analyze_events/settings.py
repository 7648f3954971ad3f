"""Settings of what is made of events as they come: aggregates, alerts, patterns, Sigma rules."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import ANALYTICS, EVENTS, LAKE, METADATA, uses
from millrace.eventstore.consumers import ALERT_TRACKER, COUNTER, PATTERN_DETECTOR, SIGMA_DETECTOR


class Settings(FunctionSettings):
    """Where facts, alerts and steps lie, where alerts are raised, and the places for what cannot be handled."""

    events_table: str = uses(EVENTS, "get", "put")
    type_shards: int = 1
    analytics_table: str = uses(ANALYTICS, "get", "batch_get", "query", "put", "update", "write_all")
    metadata_table: str = uses(METADATA, "query")
    lake_bucket: str = uses(
        LAKE,
        write=(
            COUNTER.dead_letters,
            ALERT_TRACKER.dead_letters,
            PATTERN_DETECTOR.dead_letters,
            SIGMA_DETECTOR.dead_letters,
        ),
    )
