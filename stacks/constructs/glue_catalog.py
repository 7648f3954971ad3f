"""The Glue databases of the lake, a table over the raw Parquet, and the workgroup in which Athena reads them."""

from collections.abc import Mapping

import pyarrow as pa
from aws_cdk import Aws
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from millrace.archive.raw import SCHEMA
from millrace.contracts.contract import CATEGORIES
from millrace.contracts.tables import LAYERS
from millrace.core.prefixes import ATHENA_RESULTS, RAW_EVENTS
from millrace.iceberg.layout import database
from stacks.settings import EnvironmentSettings

PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
# Athena looks at each combination of values that a query leaves open, so the years have an end.
YEARS = "2024,2040"
# https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
PROJECTION: Mapping[str, str] = {
    "projection.enabled": "true",
    # A query names its tenant: `injected` has no values of its own, so none can read all of them.
    "projection.org.type": "injected",
    "projection.category.type": "enum",
    "projection.category.values": ",".join(sorted(CATEGORIES)),
    "projection.year.type": "integer",
    "projection.year.range": YEARS,
    "projection.month.type": "integer",
    "projection.month.range": "1,12",
    "projection.month.digits": "2",
    "projection.day.type": "integer",
    "projection.day.range": "1,31",
    "projection.day.digits": "2",
}
PARTITIONS = ("org", "category", "year", "month", "day")


class GlueCatalog(Construct):
    """One database a layer; tables of all but `raw` are made by the pipeline."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: EnvironmentSettings,
        lake: s3.IBucket,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        self.databases = {layer: database(settings.name, layer) for layer in ("raw", *LAYERS)}
        made = {
            layer: glue.CfnDatabase(
                self,
                layer.title().replace("_", ""),
                catalog_id=Aws.ACCOUNT_ID,
                database_input=glue.CfnDatabase.DatabaseInputProperty(
                    name=name, description=f"The {layer} layer of Millrace ({settings.name})."
                ),
            )
            for layer, name in self.databases.items()
        }
        self._raw_events(lake).node.add_dependency(made["raw"])
        self._workgroup(settings, lake, key)

    def _raw_events(self, lake: s3.IBucket) -> glue.CfnTable:
        location = f"s3://{lake.bucket_name}/{RAW_EVENTS}"
        template = location + "/".join(f"{name}=${{{name}}}" for name in PARTITIONS) + "/"
        return glue.CfnTable(
            self,
            "RawEvents",
            catalog_id=Aws.ACCOUNT_ID,
            database_name=self.databases["raw"],
            table_input=glue.CfnTable.TableInputProperty(
                name="events",
                description="Every event that was accepted, as it was archived; may hold one more than once.",
                table_type="EXTERNAL_TABLE",
                parameters={
                    "classification": "parquet",
                    **PROJECTION,
                    "storage.location.template": template,
                },
                # As text: 05 is a month in the path, and a projection of integers takes columns of text.
                partition_keys=[
                    glue.CfnTable.ColumnProperty(name=name, type="string") for name in PARTITIONS
                ],
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    columns=[
                        glue.CfnTable.ColumnProperty(name=field.name, type=hive_type(field.type))
                        for field in SCHEMA
                    ],
                    location=location,
                    input_format=f"{PARQUET}.MapredParquetInputFormat",
                    output_format=f"{PARQUET}.MapredParquetOutputFormat",
                    serde_info=glue.CfnTable.SerdeInfoProperty(
                        serialization_library=f"{PARQUET}.serde.ParquetHiveSerDe"
                    ),
                ),
            ),
        )

    def _workgroup(self, settings: EnvironmentSettings, lake: s3.IBucket, key: kms.IKey) -> None:
        athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=f"millrace-{settings.name}",
            description="Queries of the lake; their results are encrypted and gone after some days.",
            recursive_delete_option=not settings.retain,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{lake.bucket_name}/{ATHENA_RESULTS}",
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=key.key_arn
                    ),
                ),
            ),
        )


def hive_type(of: pa.DataType) -> str:
    """A type of the raw schema as Hive and Athena name it.

    Raises:
        ValueError: the raw schema has a type that is not known here.
    """
    if pa.types.is_timestamp(of):
        return "timestamp"
    known = {pa.string(): "string", pa.binary(): "binary", pa.int64(): "bigint"}
    if of not in known:
        raise ValueError(f"no type of Athena is known for {of}")
    return known[of]
