"""Settings of the commit."""

from millrace.contracts.tables import LAYERS
from millrace.core.prefixes import CURATED, PROCESSED, RUNS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import CATALOG, LAKE, rights, uses


class Settings(FunctionSettings):
    """Where the tables are; the role of Glue's optimizers, empty where there are none."""

    also_uses = rights(CATALOG, read=LAYERS, list=LAYERS, write=LAYERS)

    lake_bucket: str = uses(
        LAKE,
        "list",
        read=(RUNS, PROCESSED, CURATED),
        write=(RUNS, PROCESSED, CURATED),
        # A commit that lost to another deletes its manifests, and only so many versions of metadata are kept.
        delete=(PROCESSED, CURATED),
    )
    optimizer_role_arn: str = ""
