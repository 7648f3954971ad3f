"""Settings of the router."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The bus, the receipts of what was put on it, and the place for what cannot be."""

    metadata_table: str
    lake_bucket: str
    event_bus: str
