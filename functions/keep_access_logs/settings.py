"""Settings of what keeps the gateway's access log."""

from millrace.core.prefixes import ACCESS_LOGS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import LAKE, uses


class Settings(FunctionSettings):
    """Where the log is kept."""

    lake_bucket: str = uses(LAKE, write=(ACCESS_LOGS,))
