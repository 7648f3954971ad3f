"""Settings of what is made of events as they come: aggregates."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import ANALYTICS, LAKE, uses
from millrace.eventstore.consumers import COUNTER


class Settings(FunctionSettings):
    """Where facts lie, and the places for what cannot be counted."""

    analytics_table: str = uses(ANALYTICS, "write_all")
    lake_bucket: str = uses(LAKE, write=(COUNTER.dead_letters,))
