"""Settings of the planner."""

from millrace.contracts.tables import LAYERS
from millrace.core.prefixes import RUNS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import CATALOG, LAKE, METADATA, rights, uses


class Settings(FunctionSettings):
    """Where the manifest and the lake are."""

    also_uses = rights(CATALOG, read=LAYERS, list=LAYERS)

    metadata_table: str = uses(METADATA, "query")
    lake_bucket: str = uses(LAKE, "list", read=(RUNS,), write=(RUNS,))
