"""Settings of the archive."""

from millrace.core.prefixes import RAW_EVENTS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import LAKE, METADATA, uses
from millrace.eventstore.consumers import ARCHIVE


class Settings(FunctionSettings):
    """Where objects and their manifest go."""

    metadata_table: str = uses(METADATA, "write_all", "put")
    lake_bucket: str = uses(LAKE, write=(RAW_EVENTS, ARCHIVE.dead_letters))
