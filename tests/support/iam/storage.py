"""Buckets, tables and roles: what a service writes about them, and what rights on encrypted data imply."""

from collections.abc import Iterator

from millrace.contracts.tables import LAYERS
from millrace.core.prefixes import CURATED, PROCESSED
from tests.support.iam.calls import AT, As, Use, assumed, send, service_of, unknown, with_key
from tests.support.iam.deployment import KINESIS_REPLICATION, Deployment, Resource
from tests.support.iam.policy import statements
from tests.support.templates import as_list


def bucket(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """S3 writes a bucket's access logs into another, and notifies of its objects."""
    if target := one.get("LoggingConfiguration", "DestinationBucketName"):
        prefix = one.get("LoggingConfiguration", "LogFilePrefix") or ""
        log = f"{deployment.arn_of('AWS::S3::Bucket', target)}/{prefix}2026-01-01-00-00-00-0"
        caller = As("logging.s3.amazonaws.com", f"{one.id} logs its requests", source=one.arn)
        yield caller.does("s3:PutObject", log)
        yield from with_key(deployment, caller, "write", log)
    notified = one.get("NotificationConfiguration") or {}
    for kind, name in (
        ("QueueConfigurations", "Queue"),
        ("TopicConfigurations", "Topic"),
        ("LambdaConfigurations", "Function"),
    ):
        for target in notified.get(kind, ()):
            caller = As("s3.amazonaws.com", f"{one.id} notifies", source=one.arn)
            yield from send(deployment, caller, one, target[name])
    for feature in ("ReplicationConfiguration", "InventoryConfigurations"):
        if one.get(feature):
            raise unknown(one, feature)


def table(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """DynamoDB puts a table's changes into a data stream."""
    if stream := one.get("KinesisStreamSpecification", "StreamArn"):
        # In the role that DynamoDB has for it, which rights in the stream's and the key's policies do not concern.
        caller = As(KINESIS_REPLICATION, f"{one.id} captures its changes")
        yield caller.does("kinesis:PutRecords", stream)
        yield from with_key(deployment, caller, "write", stream)


# What calls of a role imply the use of the key of what they read or write.
_READING = {
    "s3:GetObject",
    "kinesis:GetRecords",
    "kinesis:SubscribeToShard",
    "sqs:ReceiveMessage",
    "dynamodb:GetItem",
    "dynamodb:BatchGetItem",
    "dynamodb:Query",
    "dynamodb:GetRecords",
}
_WRITING = {
    "s3:PutObject",
    "kinesis:PutRecord",
    "kinesis:PutRecords",
    "sqs:SendMessage",
    "sns:Publish",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
}


def role(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """What the rights of a role imply; and of a role that Glue takes on, the calls of optimizers."""
    allowed = [
        (action, resource)
        for document in deployment.account.identities.get(one.arn, ())
        for statement in statements(document)
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    ]
    # Whoever opens capture needs these rights, but DynamoDB puts records in a role of its own.
    opens = any(action == "dynamodb:EnableKinesisStreamingDestination" for action, _ in allowed)
    for action, resource in allowed:
        caller = As(one.arn, f"{one.id} may {action} {resource}")
        how = "read" if action in _READING else "write" if action in _WRITING else None
        if how is not None and not (opens and service_of(action) == "kinesis"):
            yield from with_key(deployment, caller, how, resource)
        if action == "s3:GetObject":
            yield from _missing(deployment, caller, resource)
    for statement in statements(one.properties["AssumeRolePolicyDocument"]):
        if statement["Principal"].get("Service") == "glue.amazonaws.com":
            yield from _optimizers(deployment, one)


def _missing(deployment: Deployment, caller: As, objects: str) -> Iterator[Use]:
    """Whoever reads an object has to learn that it is missing, and S3 answers 404 only to those who may list its key.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    bucket, _, key = objects.partition("/")
    if bucket in deployment.by_arn:
        yield caller.does("s3:ListBucket", bucket, **{"s3:prefix": key.replace("*", "missing.json")})


def _optimizers(deployment: Deployment, role: Resource) -> Iterator[Use]:
    """https://docs.aws.amazon.com/glue/latest/dg/optimization-prerequisites.html."""
    # Glue documents no source for the roles of optimizers.
    yield assumed(role.arn, "glue.amazonaws.com", f"an optimizer of a table takes on {role.id}")
    caller = As(role.arn, f"an optimizer of a table works as {role.id}")
    (lake,) = (one for one in deployment.of("AWS::S3::Bucket") if "/LakeBucket" in one.id)
    for layer in LAYERS:
        database = next(
            str(one.get("DatabaseInput", "Name"))
            for one in deployment.of("AWS::Glue::Database")
            if str(one.get("DatabaseInput", "Name")).endswith(f"_{layer}")
        )
        for action in ("glue:GetTable", "glue:UpdateTable"):
            for resource in ("catalog", f"database/{database}", f"table/{database}/any_v1"):
                yield caller.does(action, f"arn:aws:glue:{AT}:{resource}")
    yield caller.does("s3:ListBucket", lake.arn, **{"s3:prefix": PROCESSED})
    for prefix in (PROCESSED, CURATED):
        file = f"{lake.arn}/{prefix}any_v1/data/1.parquet"
        for action in ("s3:DeleteObject", "s3:GetObject", "s3:PutObject"):
            yield caller.does(action, file)
        yield from with_key(deployment, caller, "write", file)
    for kind in ("compaction", "retention", "orphan-file-deletion"):
        group = f"arn:aws:logs:{AT}:log-group:/aws-glue/iceberg-{kind}/logs"
        # As Glue checks it: the ARN of a log group ends in `:*`.
        yield caller.does("logs:CreateLogGroup", f"{group}:*")
        yield caller.does("logs:CreateLogStream", f"{group}:log-stream:1")
        yield caller.does("logs:PutLogEvents", f"{group}:log-stream:1")
