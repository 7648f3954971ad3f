"""Settings of the projection."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The read model, and the place for what cannot be projected."""

    user_events_table: str
    lake_bucket: str
