"""Settings of the canary."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import BUS, METADATA, uses


class Settings(FunctionSettings):
    """Where it sends events, and where it finds those that go to the log only."""

    api_url: str
    event_bus: str = uses(BUS, "put")
    metadata_table: str = uses(METADATA, "query", "put")
    wait_seconds: float = 60
    each_path: bool = False
