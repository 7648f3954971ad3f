"""Settings of what keeps the audit, and looks at what people are waiting for."""

from millrace.core.prefixes import ANCHORS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import ANALYTICS, AUDIT, EVENTS, METADATA, uses


class Settings(FunctionSettings):
    """Where chains and requests are, where chains are anchored, and where alerts are raised."""

    metadata_table: str = uses(METADATA, "put", "query")
    events_table: str = uses(EVENTS, "put")
    type_shards: int = 1
    analytics_table: str = uses(ANALYTICS, "get", "batch_get", "put", "update", "write_all")
    audit_bucket: str = uses(AUDIT, "list", read=(ANCHORS,), write=(ANCHORS,))
