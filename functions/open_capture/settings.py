"""Settings of the opening of capture."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The table, and the stream that its changes go to."""

    events_table: str
    event_stream_arn: str
