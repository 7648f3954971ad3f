"""Settings of the router."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import BUS, LAKE, METADATA, uses
from millrace.eventstore.consumers import ROUTER


class Settings(FunctionSettings):
    """The bus, the receipts of what was put on it, and the place for what cannot be."""

    metadata_table: str = uses(METADATA, "write_all")
    lake_bucket: str = uses(LAKE, write=(ROUTER.dead_letters,))
    event_bus: str = uses(BUS, "put")
