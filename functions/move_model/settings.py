"""Settings of what moves champions."""

from millrace.core.prefixes import MODELS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import EVENTS, LAKE, MODELS_TABLE, uses


class Settings(FunctionSettings):
    """The registry, the artifacts, where the event of a move is appended, and where experiments are logged; empty: nowhere."""

    lake_bucket: str = uses(LAKE, "list", read=(MODELS,))
    models_table: str = uses(MODELS_TABLE, "get", "put", "update")
    events_table: str = uses(EVENTS, "put")
    type_shards: int = 1
    tracking_uri: str = ""
