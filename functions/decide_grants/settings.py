"""Settings of requests for access."""

from millrace.api.guard import GuardedSettings
from millrace.core.uses import METADATA, uses


class Settings(GuardedSettings):
    """Where requests and the audit are kept."""

    metadata_table: str = uses(METADATA, "get", "query", "put")
