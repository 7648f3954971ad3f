"""Settings of the maintenance."""

from millrace.contracts.tables import LAYERS
from millrace.core.prefixes import CURATED, PROCESSED, RUNS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import CATALOG, LAKE, rights, uses


class Settings(FunctionSettings):
    """Where the tables are, how long a table can be read as it was (days, and snapshots at least), and the catalog's account."""

    also_uses = rights(CATALOG, read=LAYERS, list=LAYERS, write=LAYERS, optimizers=LAYERS)

    lake_bucket: str = uses(
        LAKE,
        "list",
        read=(RUNS, PROCESSED, CURATED),
        write=(RUNS, PROCESSED, CURATED),
        delete=(PROCESSED, CURATED),
    )
    keep_days: int = 7
    keep_snapshots: int = 20
    catalog_id: str
