"""Settings of the reads of aggregates."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import ANALYTICS, uses


class Settings(FunctionSettings):
    """The store that is read."""

    analytics_table: str = uses(ANALYTICS, "get", "batch_get", "query")
