"""Settings of the planner."""

from millrace.contracts.tables import LAYERS
from millrace.core.prefixes import RUNS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import CATALOG, EVENTS, LAKE, LOG, METADATA, rights, uses


class Settings(FunctionSettings):
    """Where the log, the manifest and the lake are. `archive_wait_seconds`: how long a run waits for the archive."""

    also_uses = rights(CATALOG, read=LAYERS, list=LAYERS)

    events_table: str = uses(EVENTS, "describe_capture")
    event_stream_arn: str = uses(LOG, "read")
    metadata_table: str = uses(METADATA, "query")
    lake_bucket: str = uses(LAKE, "list", read=(RUNS,), write=(RUNS,))
    archive_wait_seconds: int = 300
