"""Settings of the reads of aggregates."""

from millrace.api.guard import GuardedSettings
from millrace.core.uses import ANALYTICS, SUBJECT_KEYS, TENANT_KEY, uses


class Settings(GuardedSettings):
    """The store that is read, and whom its keys name."""

    analytics_table: str = uses(ANALYTICS, "get", "batch_get", "query")
    subject_keys_table: str = uses(SUBJECT_KEYS, "batch_get")
    tenant_key_id: str = uses(TENANT_KEY, "decrypt", "generate")
