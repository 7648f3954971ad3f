"""Settings of what moves champions."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The registry, the artifacts, and where the event of a move is appended."""

    lake_bucket: str
    models_table: str
    events_table: str
