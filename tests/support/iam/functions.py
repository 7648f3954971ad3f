"""Functions: the role that Lambda takes on, what it reads for them, and where it puts what they could not handle."""

from collections.abc import Iterator
from dataclasses import replace

from millrace.core.prefixes import FAILED_BATCHES
from tests.support.iam.calls import AT, As, Use, assumed, send, service, unknown, with_key
from tests.support.iam.deployment import Deployment, Resource

# https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html (AWSLambdaKinesisExecutionRole),
# https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html (AWSLambdaDynamoDBExecutionRole),
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html (AWSLambdaSQSQueueExecutionRole)
_READS = {
    "kinesis": (
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
    ),
    "dynamodb": ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
    "sqs": ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"),
}
# Of the same managed policies; these actions take no resource.
_LISTS = {"kinesis": "kinesis:ListStreams", "dynamodb": "dynamodb:ListStreams"}


def function(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """Lambda takes on the role, and writes the function's log in it."""
    role = one.properties["Role"]
    # Lambda documents no source for the roles that it takes on: whoever makes a function has to pass it the role.
    yield assumed(role, "lambda.amazonaws.com", f"{one.id} runs")
    caller = As(role, f"{one.id} writes its log")
    name = one.get("LoggingConfig", "LogGroup") or f"/aws/lambda/{one.arn.rsplit(':', 1)[-1]}"
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        yield caller.does(action, f"arn:aws:logs:{AT}:log-group:{name}:log-stream:2026/01/01/[$LATEST]1")
    if one.get("TracingConfig", "Mode") == "Active":
        yield caller.does("xray:PutTraceSegments", "*")
        yield caller.does("xray:PutTelemetryRecords", "*")
    if dead := one.get("DeadLetterConfig", "TargetArn"):
        yield from send(deployment, As(role, f"{one.id} gives an event up"), one, dead)
    if one.get("VpcConfig"):
        for action in (
            "ec2:CreateNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DeleteNetworkInterface",
        ):
            yield As(role, f"{one.id} is in a VPC").does(action, "*")


def _role_of(deployment: Deployment, function: str) -> str:
    arn = deployment.arn_of("AWS::Lambda::Function", function)
    return str(deployment.by_arn[arn].properties["Role"])


def invoke_config(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """Lambda sends the outcome of an asynchronous call, in the function's role."""
    role = _role_of(deployment, one.properties["FunctionName"])
    for when in ("OnFailure", "OnSuccess"):
        if target := one.get("DestinationConfig", when, "Destination"):
            yield from _destination(deployment, As(role, f"{one.id} has it {when}"), one, target)


def _destination(deployment: Deployment, caller: As, resource: Resource, target: str) -> Iterator[Use]:
    if service(target) != "s3":
        yield from send(deployment, caller, resource, target)
        return
    # https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    batch = f"{target}/{FAILED_BATCHES}{{mapping}}/shardId-000000000000/2026/01/01/0.json"
    yield caller.does("s3:ListBucket", target)
    yield caller.does("s3:PutObject", batch)
    yield from with_key(deployment, caller, "write", batch)


def mapping(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """Lambda reads a source, and keeps what it gives up, in the function's role."""
    role = _role_of(deployment, one.properties["FunctionName"])
    source = one.properties["EventSourceArn"]
    kind, caller = service(source), As(role, f"{one.id} reads its source")
    if kind not in _READS:
        raise unknown(one, f"the source {source}")
    stream, _, consumer = source.partition("/consumer/")
    for action in _READS[kind]:
        yield caller.does(action, stream)
    if consumer:
        yield caller.does("kinesis:SubscribeToShard", source)
    if kind in _LISTS:
        yield caller.does(_LISTS[kind], "*")
    yield from with_key(deployment, caller, "read", stream)
    if target := one.get("DestinationConfig", "OnFailure", "Destination"):
        gives_up = replace(caller, because=f"{one.id} gives a batch up")
        yield from _destination(deployment, gives_up, one, target)
