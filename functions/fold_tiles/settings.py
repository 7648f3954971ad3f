"""Settings of the fold."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import ANALYTICS, uses


class Settings(FunctionSettings):
    """Where facts, marks and parts lie."""

    analytics_table: str = uses(ANALYTICS, "query", "put", "update", "delete", "write_all")
