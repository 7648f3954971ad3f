"""Settings of the projection."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import LAKE, USER_EVENTS, uses
from millrace.eventstore.consumers import PROJECTION


class Settings(FunctionSettings):
    """The read model, and the place for what cannot be projected."""

    user_events_table: str = uses(USER_EVENTS, "write_all")
    lake_bucket: str = uses(LAKE, write=(PROJECTION.dead_letters,))
