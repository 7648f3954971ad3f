"""Settings of the canary."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """Where it is sent, and where it looks for what goes to the log only."""

    api_url: str
    event_bus: str
    metadata_table: str
    wait_seconds: float = 60
    each_path: bool = False
