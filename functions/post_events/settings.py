"""Settings of intake behind the HTTP API."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """Where events and refusals go, and how many events a second one tenant may send to one warm copy."""

    events_table: str
    metadata_table: str
    lake_bucket: str
    tenant_key_id: str
    events_per_second: float = 2000
