"""Settings of changes of alerts."""

from millrace.api.guard import GuardedSettings
from millrace.core.uses import ANALYTICS, EVENTS, METADATA, SUBJECT_KEYS, TENANT_KEY, uses


class Settings(GuardedSettings):
    """Where alerts are, where their events are appended, where mutes and the audit are kept, and whom alerts name."""

    events_table: str = uses(EVENTS, "get", "put")
    type_shards: int = 1
    analytics_table: str = uses(ANALYTICS, "get", "update")
    metadata_table: str = uses(METADATA, "query", "put")
    subject_keys_table: str = uses(SUBJECT_KEYS, "batch_get")
    tenant_key_id: str = uses(TENANT_KEY, "decrypt")
