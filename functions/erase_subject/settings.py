"""Settings of what carries out requests of people."""

from millrace.core.prefixes import (
    CERTIFICATES,
    EXPORTS,
    EXTERNAL_DATA,
    IMPORTS,
    PROCESSED,
    QUARANTINE,
    RAW_EVENTS,
)
from millrace.core.settings import FunctionSettings
from millrace.core.uses import (
    ANALYTICS,
    CATALOG,
    EVENTS,
    FEATURE_STORE,
    LAKE,
    METADATA,
    SIGNING_KEY,
    SUBJECT_KEYS,
    TENANT_KEY,
    USER_EVENTS,
    rights,
    uses,
)


class Settings(FunctionSettings):
    """Every store that has something of a person."""

    also_uses = rights(CATALOG, read=("silver",))

    events_table: str = uses(EVENTS, "batch_get")
    user_events_table: str = uses(USER_EVENTS, "query")
    metadata_table: str = uses(METADATA, "get", "query", "put", "update", "delete")
    subject_keys_table: str = uses(SUBJECT_KEYS, "get", "batch_get", "put")
    feature_store_table: str = uses(FEATURE_STORE, "delete")
    analytics_table: str = uses(ANALYTICS, "batch_get", query=("userId-metricType-index",))
    tenant_key_id: str = uses(TENANT_KEY, "decrypt", "generate")
    signing_key_id: str = uses(SIGNING_KEY, "public", "sign")
    lake_bucket: str = uses(
        LAKE,
        "list_versions",
        read=(CERTIFICATES, QUARANTINE, RAW_EVENTS, PROCESSED),
        write=(CERTIFICATES, EXPORTS, QUARANTINE),
        purge=(EXPORTS, EXTERNAL_DATA, IMPORTS, QUARANTINE),
    )
