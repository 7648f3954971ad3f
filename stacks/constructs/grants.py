"""What a function may do, from what its settings declare: the IAM actions of each verb, and the resources they name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aws_cdk import Aws

from millrace.core import prefixes
from millrace.core.uses import (
    AUDIT,
    BUS,
    LAKE,
    LOG,
    SIGNING_KEY,
    SOURCE_SECRETS,
    TENANT_KEY,
    Kind,
    Resource,
    Use,
)
from millrace.iceberg.layout import database
from millrace.training.locations import DATASETS
from millrace.webhooks.secrets import prefix as secret_names
from stacks.constructs.platform_role import PlatformRole
from stacks.storage import StorageStack

# A table's verbs are the methods of `core.table.Table`. The writes of a transaction need the right of each; ours are puts.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
ACTIONS: Mapping[Kind, Mapping[str, tuple[str, ...]]] = {
    "table": {
        "get": ("dynamodb:GetItem",),
        "batch_get": ("dynamodb:BatchGetItem",),
        "query": ("dynamodb:Query",),
        "put": ("dynamodb:PutItem",),
        "update": ("dynamodb:UpdateItem",),
        "delete": ("dynamodb:DeleteItem",),
        "write_all": ("dynamodb:BatchWriteItem",),
        "describe_capture": ("dynamodb:DescribeKinesisStreamingDestination",),
        "capture": (
            "dynamodb:DescribeKinesisStreamingDestination",
            "dynamodb:EnableKinesisStreamingDestination",
        ),
    },
    "bucket": {
        "list": ("s3:ListBucket",),
        "read": ("s3:GetObject",),
        "write": ("s3:PutObject",),
        "delete": ("s3:DeleteObject",),
        # Older versions, too, and for good.
        "list_versions": ("s3:ListBucketVersions",),
        "purge": ("s3:DeleteObjectVersion",),
    },
    "stream": {
        "put": ("kinesis:PutRecords",),
        "read": ("kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords"),
        # DynamoDB asks these of whoever enables a destination.
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds_iam.html
        "capture": (
            "kinesis:DescribeStream",
            "kinesis:DescribeStreamSummary",
            "kinesis:PutRecord",
            "kinesis:PutRecords",
        ),
    },
    "bus": {"put": ("events:PutEvents",)},
    "key": {
        "decrypt": ("kms:Decrypt",),
        "generate": ("kms:GenerateDataKey",),
        "sign": ("kms:Sign",),
        "public": ("kms:GetPublicKey",),
    },
    "queue": {"send": ("sqs:SendMessage",)},
    "pool": {
        "invite": ("cognito-idp:AdminCreateUser", "cognito-idp:AdminGetUser"),
        "remove": ("cognito-idp:AdminDeleteUser",),
    },
    "secret": {"read": ("secretsmanager:GetSecretValue",)},
    "machine": {"start": ("states:ListExecutions", "states:StartExecution")},
    # Glue checks by itself that a commit replaces the version that it read.
    "catalog": {
        "read": ("glue:GetTable",),
        "list": ("glue:GetDatabase", "glue:GetTables"),
        "write": ("glue:CreateTable", "glue:UpdateTable"),
        "optimizers": ("glue:GetTableOptimizer",),
    },
}
# Why rights on objects end in a wildcard: what their names are made of. The longest prefix that fits counts.
PREFIX_REASONS: Mapping[str, str] = {
    prefixes.RAW: "Objects are named by tenant, category, day and the sequence numbers they hold.",
    prefixes.EXTERNAL_DATA: "Parts of files are named by tenant and import.",
    prefixes.IMPORTS: "Whoever drops a file names it, below its tenant and event type.",
    prefixes.ACCESS_LOGS: "An object of the access log is named by the batch that it holds.",
    prefixes.PROCESSED: "Objects are named by table, run, tenant and day.",
    prefixes.CURATED: "Objects are named by table, run, tenant and day.",
    prefixes.ANONYMISED: "Releases are named by tenant, table and period.",
    prefixes.FEATURE_STATES: "Objects are named by feature view, tenant and run.",
    prefixes.LINEAGE: "Objects are named by the run whose lineage they hold.",
    prefixes.RUNS: "What one step of a run hands to another is below the run's name.",
    prefixes.QUARANTINE: "The refused events of a request are one object, named by tenant, day and request.",
    prefixes.DEAD_LETTERS: "A record that can never succeed is an object of its own, named by its place in its source.",
    prefixes.RECONCILE: "What was read of raw is kept by tenant, day and moment.",
    prefixes.ANCHORS: "An anchor of the audit is an object of its own, named by its day.",
    prefixes.QUERY_RESULTS: "Results of queries are named by their tenant and query.",
    prefixes.CERTIFICATES: "A certificate is named by tenant and request.",
    prefixes.EXPORTS: "An export is named by tenant, person and request.",
    prefixes.MODELS: "Artifacts are named by tenant, model and version.",
    DATASETS: "A training set and what is made of it are below the tenant's and the run's name.",
}


SECRETS_REASON = (
    "The secret of a source is made when it is first set, so no template has it or its name's random end."
)


@dataclass(frozen=True)
class Deployed:
    """A resource of a stack: what a variable names it by, the ARN that rights name, and the indexes of a table."""

    value: str
    arn: str
    indexes: tuple[str, ...] = ()


def deployed(storage: StorageStack) -> dict[Resource, Deployed]:
    """What the storage stack has, by the names that settings use."""
    tables = {
        Resource("table", name): Deployed(one.table.table_name, one.table.table_arn, one.index_names)
        for name, one in storage.tables.items()
    }
    bus, lake, key = storage.bus, storage.lake, storage.tenant_key
    return {
        **tables,
        LAKE: Deployed(lake.bucket_name, lake.bucket_arn),
        AUDIT: Deployed(storage.audit.bucket_name, storage.audit.bucket_arn),
        LOG: Deployed(storage.stream.stream_arn, storage.stream.stream_arn),
        BUS: Deployed(bus.event_bus_name, bus.event_bus_arn),
        TENANT_KEY: Deployed(key.key_id, key.key_arn),
        SOURCE_SECRETS: Deployed(names := secret_names(storage.settings.name), _secrets(names)),
        SIGNING_KEY: Deployed(storage.signing_key.key_id, storage.signing_key.key_arn),
    }


def grant(
    role: PlatformRole,
    uses: Iterable[Use],
    *,
    storage: StorageStack,
    resources: Mapping[Resource, Deployed],
) -> None:
    """Allows what settings declare, the use of the data key where it needs that, and to learn that an object is missing.

    Raises:
        KeyError: a resource that is not deployed, a verb that its kind does not have, or a prefix without its reason.
        ValueError: a part that the resource does not have.
    """
    several = list(uses)
    actions: dict[tuple[Resource, str], list[str]] = {}
    for use in several:
        if use.resource.kind == "bucket" and bool(use.part) == use.verb.startswith("list"):
            raise ValueError(
                f"{use}: a bucket is listed as a whole; its objects are read and written by prefix"
            )
        actions.setdefault((use.resource, use.part), []).extend(ACTIONS[use.resource.kind][use.verb])
    databases: dict[tuple[str, ...], list[str]] = {}
    buckets = {LAKE: storage.lake, AUDIT: storage.audit}
    for (resource, part), allowed in actions.items():
        if resource.kind == "catalog":
            databases.setdefault(tuple(allowed), []).append(database(storage.settings.name, part))
        elif resource.kind == "secret":
            on = resources[resource].arn
            role.allow_wildcard("Secrets", *allowed, on=on, reason=SECRETS_REASON)
        elif resource.kind == "bucket" and part:
            bucket = buckets[resource]
            role.allow_objects(*allowed, bucket=bucket, prefix=part, reason=_reason(part))
        else:
            role.allow(*allowed, on=[_arn(resources[resource], part)])
    for resource, bucket in buckets.items():
        of_bucket = [use for use in several if use.resource == resource]
        read = [use.part for use in of_bucket if use.verb == "read"]
        if read and not any(use.verb == "list" for use in of_bucket):
            role.allow_listing(bucket, read)
    for glue_actions, named in databases.items():
        role.allow_tables(*glue_actions, databases=named)
    if any(use.resource.kind in {"table", "bucket", "stream"} and use.verb != "capture" for use in several):
        role.allow_key(storage.data_key, through=("dynamodb", "kinesis", "s3"))


def _secrets(names: str) -> str:
    return f"arn:{Aws.PARTITION}:secretsmanager:{Aws.REGION}:{Aws.ACCOUNT_ID}:secret:{names}*"


def _arn(resource: Deployed, part: str) -> str:
    if not part:
        return resource.arn
    if part not in resource.indexes:
        raise ValueError(f"{part} is no index of {resource.arn}")
    return f"{resource.arn}/index/{part}"


def _reason(prefix: str) -> str:
    known = [one for one in PREFIX_REASONS if prefix.startswith(one)]
    if not known:
        raise KeyError(f"{prefix} has no reason in PREFIX_REASONS")
    return PREFIX_REASONS[max(known, key=len)]
