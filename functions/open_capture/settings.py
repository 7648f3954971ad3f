"""Settings of the opening of capture."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import EVENTS, LOG, uses


class Settings(FunctionSettings):
    """The table, and the stream that its changes go to."""

    events_table: str = uses(EVENTS, "capture")
    event_stream_arn: str = uses(LOG, "capture")
