"""Settings of the preparation of tables."""

from millrace.contracts.tables import LAYERS
from millrace.core.prefixes import CURATED, PROCESSED, RUNS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import CATALOG, LAKE, rights, uses


class Settings(FunctionSettings):
    """Where the lake is."""

    also_uses = rights(CATALOG, read=LAYERS, list=LAYERS)

    lake_bucket: str = uses(LAKE, "list", read=(RUNS, PROCESSED, CURATED), write=(RUNS,))
