"""Settings of the canary."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import BUS, METADATA, uses


class Settings(FunctionSettings):
    """Where it is sent, and where it looks for what goes to the log only."""

    api_url: str
    event_bus: str = uses(BUS, "put")
    metadata_table: str = uses(METADATA, "query", "write_all")
    wait_seconds: float = 60
    each_path: bool = False
