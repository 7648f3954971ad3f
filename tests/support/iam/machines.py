"""State machines: what each task of a definition calls, and the training jobs that one starts."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from millrace.training.locations import DATASETS
from tests.support.iam.calls import AT, As, Use, assumed, service, service_of, unknown, with_key
from tests.support.iam.deployment import REGION, Deployment, Resource

# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
_LOG_DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)
# https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html
_TRACES = (
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)
_RULE = ("events:DescribeRule", "events:PutRule", "events:PutTargets")


def machine(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """Step Functions takes on the role, delivers the log and the traces, and calls what the tasks name."""
    role = one.properties["RoleArn"]
    yield assumed(role, "states.amazonaws.com", f"{one.id} runs", one.arn)
    caller = As(role, f"{one.id} runs")
    if one.get("LoggingConfiguration", "Destinations"):
        for action in _LOG_DELIVERY:
            yield caller.does(action, "*")
    if one.get("TracingConfiguration", "Enabled"):
        for action in _TRACES:
            yield caller.does(action, "*")
    values = one.get("DefinitionSubstitutions") or {}
    text = re.sub(
        r"\$\{(\w+)\}",
        lambda match: str(values.get(match[1], match[0])),
        one.properties["DefinitionString"],
    )
    for name, state in _states(json.loads(text)):
        yield from _state(deployment, one, replace(caller, because=f"{one.id}, state {name}"), state)


def _states(definition: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, state in definition["States"].items():
        yield name, state
        for inner in (state.get("ItemProcessor"), state.get("Iterator"), *state.get("Branches", ())):
            if inner is not None:
                yield from _states(inner)


def _state(deployment: Deployment, machine: Resource, caller: As, state: Mapping[str, Any]) -> Iterator[Use]:
    mode = state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode")
    if mode == "DISTRIBUTED":
        # https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
        yield caller.does("states:StartExecution", machine.arn)
        executions = f"arn:aws:states:{AT}:execution:{machine.arn.rsplit(':', 1)[-1]}"
        for action in ("states:DescribeExecution", "states:StopExecution"):
            yield caller.does(action, f"{executions}/any:1")
        for part in ("ItemReader", "ResultWriter"):
            if part in state:
                yield from _files(deployment, machine, caller, state[part])
    if state["Type"] == "Task":
        resource = state["Resource"]
        if service(resource) == "lambda":
            yield caller.does("lambda:InvokeFunction", resource)
            return
        task = resource.removeprefix("arn:aws:states:::")
        if task not in TASKS:
            raise unknown(machine, f"the task {resource}")
        yield from TASKS[task](deployment, caller, state.get("Arguments") or state.get("Parameters") or {})


# By the resource of an ItemReader or ResultWriter.
_FILES = {"getObject": "s3:GetObject", "listObjectsV2": "s3:ListBucket", "putObject": "s3:PutObject"}


def _files(deployment: Deployment, machine: Resource, caller: As, part: Mapping[str, Any]) -> Iterator[Use]:
    where = part.get("Arguments") or part.get("Parameters") or {}
    action = _FILES.get(part["Resource"].rpartition(":")[2])
    if action is None or "{%" in where["Bucket"]:
        raise unknown(machine, f"the file {part}")
    bucket = deployment.arn_of("AWS::S3::Bucket", where["Bucket"])
    # What follows in an expression is not known here; a right by prefix has to cover the part that is.
    key = where.get("Prefix") or where.get("Key") or ""
    if key.startswith("{%"):
        fixed = re.match(r"\{%\s*'([^']+)'", key)
        if fixed is None:
            raise unknown(machine, f"the key {key}, of which not even the beginning is known")
        key = f"{fixed[1]}any"
    if action == "s3:ListBucket":
        yield caller.does(action, bucket, **{"s3:prefix": key})
        return
    file = f"{bucket}/{key}"
    yield caller.does(action, file)
    yield from with_key(deployment, caller, "read" if action == "s3:GetObject" else "write", file)


def _invoke(_: Deployment, caller: As, arguments: Mapping[str, Any]) -> Iterator[Use]:
    # A function that an environment lacks is named "-": its state is never reached.
    if arguments["FunctionName"] != "-":
        yield caller.does("lambda:InvokeFunction", arguments["FunctionName"])


def _start_and_wait(_: Deployment, caller: As, arguments: Mapping[str, Any]) -> Iterator[Use]:
    # https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html#sync-async-iam-policies
    machine = arguments["StateMachineArn"]
    yield caller.does("states:StartExecution", machine)
    for action in ("states:DescribeExecution", "states:StopExecution"):
        yield caller.does(action, f"{machine.replace(':stateMachine:', ':execution:')}:any-1")
    rule = f"arn:aws:events:{AT}:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"
    yield from (caller.does(action, rule) for action in _RULE)


# What expressions of the training's state stand for, below the lake.
_TRAINING_FILES = {
    "{% $states.input.train %}": f"{DATASETS}org=acme/run/train/",
    "{% $states.input.output %}": f"{DATASETS}org=acme/run/output/",
}


def _train_and_wait(deployment: Deployment, caller: As, arguments: Mapping[str, Any]) -> Iterator[Use]:
    role = arguments["RoleArn"]
    if role == "-":
        return
    # https://docs.aws.amazon.com/step-functions/latest/dg/sagemaker-iam.html
    job = f"arn:aws:sagemaker:{AT}:training-job/millrace-{_environment(deployment)}-0123"
    for action in ("Create", "Describe", "Stop"):
        yield caller.does(f"sagemaker:{action}TrainingJob", job)
    yield caller.does("sagemaker:ListTags", job)
    yield caller.does("sagemaker:AddTags", job)
    yield caller.does("iam:PassRole", role, **{"iam:PassedToService": "sagemaker.amazonaws.com"})
    rule = f"arn:aws:events:{AT}:rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule"
    yield from (caller.does(action, rule) for action in _RULE)
    yield assumed(role, "sagemaker.amazonaws.com", caller.because, job)
    yield from _job(deployment, As(role, f"the training job of {caller.because}"), arguments)


def _job(deployment: Deployment, job: As, arguments: Mapping[str, Any]) -> Iterator[Use]:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createtrainingjob-perms."""
    (lake,) = (one for one in deployment.of("AWS::S3::Bucket") if "/LakeBucket" in one.id)
    script = arguments["HyperParameters"]["sagemaker_submit_directory"].removeprefix("s3://")
    yield job.does("s3:GetObject", f"arn:aws:s3:::{script}")
    for channel in arguments["InputDataConfig"]:
        prefix = _TRAINING_FILES[channel["DataSource"]["S3DataSource"]["S3Uri"]]
        yield job.does("s3:ListBucket", lake.arn, **{"s3:prefix": prefix})
        yield job.does("s3:GetObject", f"{lake.arn}/{prefix}part.parquet")
        yield from with_key(deployment, job, "read", f"{lake.arn}/{prefix}")
    output = arguments["OutputDataConfig"]
    file = f"{lake.arn}/{_TRAINING_FILES[output['S3OutputPath']]}model.tar.gz"
    yield job.does("s3:PutObject", file)
    yield from with_key(deployment, job, "write", file)
    if key := output.get("KmsKeyId"):
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_OutputDataConfig.html
        yield job.does("kms:Encrypt", key)
    account, _, repository = arguments["AlgorithmSpecification"]["TrainingImage"].partition(".dkr.ecr.")
    image = f"arn:aws:ecr:{REGION}:{account}:repository/{repository.split('/')[1].partition(':')[0]}"
    for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"):
        yield job.does(f"ecr:{action}", image)
    yield job.does("ecr:GetAuthorizationToken", "*")
    yield job.does("cloudwatch:PutMetricData", "*", **{"cloudwatch:namespace": "/aws/sagemaker/TrainingJobs"})
    group = f"arn:aws:logs:{AT}:log-group:/aws/sagemaker/TrainingJobs"
    for action in ("CreateLogStream", "DescribeLogStreams", "PutLogEvents"):
        yield job.does(f"logs:{action}", f"{group}:log-stream:any/algo-1")
    yield job.does("logs:CreateLogGroup", f"{group}:*")


def _environment(deployment: Deployment) -> str:
    (bus,) = deployment.of("AWS::Events::EventBus")
    return str(bus.properties["Name"]).removeprefix("millrace-")


Task = Callable[[Deployment, As, Mapping[str, Any]], Iterator[Use]]


def _one(action: str, name: str) -> Task:
    """A task that is one call on the resource which an argument names."""

    def call(deployment: Deployment, caller: As, arguments: Mapping[str, Any]) -> Iterator[Use]:
        kind = {"sqs": "AWS::SQS::Queue", "dynamodb": "AWS::DynamoDB::Table"}.get(service_of(action), "")
        resource = deployment.arn_of(kind, arguments[name])
        yield caller.does(action, resource)
        if service_of(action) in ("sqs", "sns", "dynamodb"):
            yield from with_key(deployment, caller, "write", resource)

    return call


TASKS: Mapping[str, Task] = {
    "lambda:invoke": _invoke,
    "states:startExecution": _one("states:StartExecution", "StateMachineArn"),
    "states:startExecution.sync": _start_and_wait,
    "states:startExecution.sync:2": _start_and_wait,
    "sagemaker:createTrainingJob.sync": _train_and_wait,
    "sqs:sendMessage": _one("sqs:SendMessage", "QueueUrl"),
    "sns:publish": _one("sns:Publish", "TopicArn"),
    "dynamodb:getItem": _one("dynamodb:GetItem", "TableName"),
    "dynamodb:putItem": _one("dynamodb:PutItem", "TableName"),
    "dynamodb:updateItem": _one("dynamodb:UpdateItem", "TableName"),
    "dynamodb:deleteItem": _one("dynamodb:DeleteItem", "TableName"),
}
