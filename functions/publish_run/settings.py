"""Settings of the last step of a run."""

from millrace.core.prefixes import DEAD_LETTERS, LINEAGE, RUNS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import EVENTS, LAKE, METADATA, uses


class Settings(FunctionSettings):
    """The run's documents, the catalog, and where events of failed checks are appended."""

    # `arn:aws:glue:{region}:{account id}`: lineage names tables by it.
    catalog_arn: str
    # Of a server that takes OpenLineage over HTTP; empty: none.
    lineage_url: str = ""
    # The name of the parameter with its key; empty: it wants none.
    lineage_key_parameter: str = ""
    events_table: str = uses(EVENTS, "put")
    type_shards: int = 1
    metadata_table: str = uses(METADATA, "query", "put", "update", "delete", "write_all")
    lake_bucket: str = uses(
        LAKE, "list", read=(RUNS, f"{DEAD_LETTERS}transform_partitions/"), write=(RUNS, LINEAGE)
    )
