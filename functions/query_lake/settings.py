"""Settings of queries."""

from millrace.api.guard import GuardedSettings
from millrace.contracts.tables import LAYERS
from millrace.core.prefixes import ANONYMISED, CURATED, PROCESSED, QUERY_RESULTS, RAW_EVENTS
from millrace.core.uses import CATALOG, LAKE, METADATA, SUBJECT_KEYS, TENANT_KEY, rights, uses


class Settings(GuardedSettings):
    """The lake, of which only results and releases are written; queries that are running, and the audit."""

    also_uses = rights(CATALOG, read=LAYERS, list=LAYERS)

    metadata_table: str = uses(METADATA, "get", "query", "put", "update", "delete")
    # Who is restricted, or has withdrawn a consent; and the number of a caller who reads rows of their own alone.
    subject_keys_table: str = uses(SUBJECT_KEYS, "batch_get", query=("listed-index",))
    tenant_key_id: str = uses(TENANT_KEY, "decrypt", "generate")
    lake_bucket: str = uses(
        LAKE, "list", read=(RAW_EVENTS, PROCESSED, CURATED, QUERY_RESULTS), write=(QUERY_RESULTS, ANONYMISED)
    )
    memory_mb: int = 1769
    temp_mb: int = 512
    # Compressed, of the columns and days that a query names: what fits the time and the place that it has.
    read_mb: int = 300
