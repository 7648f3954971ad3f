"""Where the lakehouse keeps what. Data files are found through their table's metadata, never by taking a key apart."""

from uuid import uuid4

from millrace.contracts.tables import LAYERS, Layer
from millrace.core.prefixes import CURATED, FEATURE_STATES, PROCESSED

# Properties of ours: the run that made a snapshot, the transform that made a table.
RUN, DEFINITION = "millrace.run", "millrace.definition"
# The folders of the lake that hold each layer.
FOLDERS: dict[Layer, str] = {
    "silver": f"{PROCESSED}analytics/",
    "gold": f"{CURATED}reporting/",
    "marts": f"{CURATED}business-intelligence/",
    "ml_features": f"{CURATED}ml-training/",
}

ORG_COLUMN = "org_id"
# Manifests that are read at once: each is a request of tens of milliseconds.
READERS = 8
# Iceberg's scalar types as DuckDB calls them.
DUCKDB = {
    "string": "VARCHAR",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "uuid": "UUID",
    "binary": "BLOB",
}


def database(environment: str, layer: str) -> str:
    """The Glue database of a layer (or of `raw`): `millrace_dev_silver`."""
    return f"millrace_{environment}_{layer}"


def location(bucket: str, table: str) -> str:
    """Where a table's files lie: `s3://<bucket>/processed/analytics/<name>`.

    Args:
        bucket: the lake's.
        table: its full name, such as `silver.order_created_v1`.
    """
    layer, name = split(table)
    return f"s3://{bucket}/{FOLDERS[layer]}{name}"


def data_file(bucket: str, table: str, run: str, org: str, day: str | None, number: int) -> str:
    """One Parquet file of a tenant (and day) that a run writes, under a name that nobody else gets.

    Not even a retry: a worker whose answer was lost may still be writing when the retry's file is committed, and the
    same rows are not the same bytes. What no document names is an orphan, which the maintenance removes.
    """
    return f"{location(bucket, table)}/data/{run}/{org}/{day or 'all'}-{number}-{uuid4().hex[:12]}.parquet"


def feature_state(bucket: str, entity: str, org: str, writer: str) -> str:
    """What one materialization of a tenant's entities of one kind has written online, for the next to compare with."""
    return f"s3://{bucket}/{FEATURE_STATES}{entity}/org={org}/{writer}.parquet"


def split(table: str) -> tuple[Layer, str]:
    """`silver.order_created_v1` → `("silver", "order_created_v1")`.

    Raises:
        ValueError: the name has no layer of ours.
    """
    layer, _, name = table.partition(".")
    for known in LAYERS:
        if layer == known and name:
            return known, name
    raise ValueError(f"{table} is not a table of the lake")
