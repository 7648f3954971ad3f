"""The functions of the lakehouse's machines."""

from aws_cdk import Aws, Duration
from constructs import Construct

from millrace.contracts.tables import LAYERS
from millrace.iceberg.layout import database
from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import ONE_PROCESSOR_MB, PlatformFunction
from stacks.constructs.table_optimizers import TableOptimizers

ICEBERG = ("runtime", "lake", "iceberg")
# A unit of work is up to a million rows; what takes longer than Lambda allows is a fault, and times out as one.
LONGEST = Duration.minutes(15)
STEP = Duration.minutes(5)


def worker(
    scope: Construct,
    stem: str,
    description: str,
    *,
    fleet: Fleet,
    layers: tuple[str, ...] = ("runtime", "duckdb"),
) -> PlatformFunction:
    """A function that works in DuckDB, with the memory and the /tmp that the environment gives to workers."""
    return PlatformFunction(
        scope,
        stem,
        fleet=fleet,
        description=description,
        memory_mb=fleet.settings.lakehouse.worker_memory_mb,
        storage_mb=fleet.settings.lakehouse.worker_storage_mb,
        timeout=LONGEST,
        layers=layers,
    )


def hourly_functions(scope: Construct, fleet: Fleet) -> list[PlatformFunction]:
    """The functions of `hourly_etl` and of the machines that it starts, in the order of a run; a training uses `pin_sources` too."""
    return [
        PlatformFunction(
            scope,
            "plan_run",
            fleet=fleet,
            description="Finds the tenant-days that a run takes in, from the manifest, and puts them into portions.",
            memory_mb=1024,
            timeout=STEP,
            variables={"archive_wait_seconds": str(fleet.settings.lakehouse.archive_wait_seconds)},
        ),
        worker(
            scope,
            "transform_partitions",
            "Makes silver's rows of a portion of tenant-days, and looks for personal data in a sample.",
            fleet=fleet,
            layers=("runtime", "duckdb", "privacy"),
        ),
        _commit_table(scope, fleet),
        PlatformFunction(
            scope,
            "prepare_table",
            fleet=fleet,
            description="Finds what a table is built of, and for which tenants and days.",
            memory_mb=ONE_PROCESSOR_MB,
            timeout=STEP,
            layers=ICEBERG,
        ),
        worker(scope, "build_table", "Runs a table's SQL over one tenant after the other.", fleet=fleet),
        PlatformFunction(
            scope,
            "pin_sources",
            fleet=fleet,
            description="Records which snapshots of the tables a run reads features from, and divides its tenants into portions.",
            memory_mb=ONE_PROCESSOR_MB,
            timeout=STEP,
            layers=ICEBERG,
        ),
        worker(
            scope,
            "materialize_features",
            "Brings the newest features of a portion of the tenants into the online store.",
            fleet=fleet,
            layers=("runtime", "lake", "duckdb"),
        ),
        publish_run(scope, fleet),
    ]


def publish_run(scope: Construct, fleet: Fleet) -> PlatformFunction:
    """The last step of `hourly_etl`."""
    lakehouse = fleet.settings.lakehouse
    made = PlatformFunction(
        scope,
        "publish_run",
        fleet=fleet,
        description="Publishes what a run did: summary, lineage, catalog, quality; what is done is no longer pending.",
        memory_mb=ONE_PROCESSOR_MB,
        timeout=STEP,
        variables={
            "catalog_arn": f"arn:{Aws.PARTITION}:glue:{Aws.REGION}:{Aws.ACCOUNT_ID}",
            "lineage_url": lakehouse.lineage_url,
            "lineage_key_parameter": lakehouse.lineage_key,
        },
    )
    if lakehouse.lineage_key:
        parameter = f"arn:{Aws.PARTITION}:ssm:{Aws.REGION}:{Aws.ACCOUNT_ID}:parameter{lakehouse.lineage_key}"
        made.role.allow("ssm:GetParameter", on=[parameter])
    return made


def plan_backfill(scope: Construct, fleet: Fleet) -> PlatformFunction:
    """The first step of `backfill`."""
    return PlatformFunction(
        scope,
        "plan_backfill",
        fleet=fleet,
        description="Finds the days of a backfill that are still to be done.",
        memory_mb=512,
        timeout=STEP,
    )


def maintain_table(scope: Construct, fleet: Fleet) -> PlatformFunction:
    """The one step of `maintenance`."""
    return PlatformFunction(
        scope,
        "maintain_table",
        fleet=fleet,
        description="Expires a table's old snapshots and removes files that no snapshot names.",
        memory_mb=ONE_PROCESSOR_MB,
        timeout=LONGEST,
        layers=ICEBERG,
        variables={"catalog_id": Aws.ACCOUNT_ID},
    )


def _commit_table(scope: Construct, fleet: Fleet) -> PlatformFunction:
    optimizers = None
    databases = [database(fleet.settings.name, layer) for layer in LAYERS]
    if fleet.settings.lakehouse.optimizers:
        optimizers = TableOptimizers(scope, "Optimizers", storage=fleet.storage, databases=databases)
    function = PlatformFunction(
        scope,
        "commit_table",
        fleet=fleet,
        description="Replaces the partitions of a table that a run holds, in one transaction; lists the tables of silver.",
        memory_mb=ONE_PROCESSOR_MB,
        timeout=LONGEST,
        layers=ICEBERG,
        variables={"optimizer_role_arn": optimizers.role.role_arn} if optimizers else None,
    )
    if optimizers is not None:
        # Only where there are optimizers: elsewhere there is no role that could be passed.
        function.role.allow_tables("glue:CreateTableOptimizer", databases=databases)
        function.role.allow("iam:PassRole", on=[optimizers.role.role_arn])
    return function
