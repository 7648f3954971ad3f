"""Every function: one construct makes it, its settings are its environment, its rights are named one by one."""

import ast
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_

from layers import build
from millrace.eventstore.consumers import CONSUMERS, Source, reading
from stacks.asl import FOLDER
from stacks.constructs.platform_function import _code, settings_model
from stacks.environment import ENVIRONMENTS
from tests.support.templates import Templates, as_list, stems, templates

ROOT = Path(__file__).parent.parent.parent
COMMON = {"ENVIRONMENT", "LOG_LEVEL"}
INTAKE = {
    "dynamodb:PutItem",
    "dynamodb:GetItem",
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "kinesis:PutRecords",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "s3:PutObject",
}
# S3 answers 404 for an object that is missing only to those that may list it.
READS = {"s3:GetObject", "s3:ListBucket"}
# Whom a function behind the API denies what is a line of the audit.
AUDITED = {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"}
# Whom an id of a user names, and whom a number does.
PEOPLE = {"dynamodb:BatchGetItem", "kms:Decrypt", "kms:GenerateDataKey"}
RUN_DOCUMENTS = {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}
READS_TABLES = {"glue:GetDatabase", "glue:GetTable", "glue:GetTables"}
WRITES_TABLES = READS_TABLES | {"glue:CreateTable", "glue:UpdateTable"}
# What each function may do.
RIGHTS = {
    "authorize": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
    "manage_access": {
        "dynamodb:BatchGetItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "cognito-idp:AdminCreateUser",
        "cognito-idp:AdminDeleteUser",
        "cognito-idp:AdminGetUser",
    },
    "post_events": INTAKE | {"dynamodb:Query"},
    "collect": INTAKE,
    "receive_webhooks": INTAKE | {"secretsmanager:GetSecretValue"},
    "import_file": INTAKE | READS | {"dynamodb:BatchGetItem", "s3:DeleteObject", "s3:DeleteObjectVersion"},
    "read_databases": INTAKE | {"dynamodb:UpdateItem", "secretsmanager:GetSecretValue"},
    "receive_bus_events": INTAKE | {"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"},
    "check_schema": AUDITED,
    "replay_waiting": INTAKE
    | READS
    | {"dynamodb:Query", "dynamodb:UpdateItem"}
    | {"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage"},
    "replay_quarantine": INTAKE | READS | {"dynamodb:Query", "dynamodb:UpdateItem"},
    "change_alerts": {
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "dynamodb:BatchGetItem",
        "kms:Decrypt",
    },
    "change_subjects": READS
    | {
        "dynamodb:BatchGetItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "kms:GetPublicKey",
        "states:ListExecutions",
        "states:StartExecution",
    },
    "erase_subject": READS
    | {
        "dynamodb:BatchGetItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "glue:GetTable",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "kms:GetPublicKey",
        "kms:Sign",
        "s3:DeleteObjectVersion",
        "s3:ListBucketVersions",
        "s3:PutObject",
    },
    "read_api": READS
    | {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:Query"}
    | {"kms:Decrypt", "kms:GenerateDataKey"},
    "keep_audit": {
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    },
    "keep_access_logs": {"s3:PutObject"},
    "watch_audit": {
        "dynamodb:BatchWriteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "s3:GetObject",
        "s3:ListBucket",
    },
    "decide_grants": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"},
    "query_lake": RUN_DOCUMENTS
    | READS_TABLES
    | PEOPLE
    | {
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
    },
    "predict": READS | AUDITED | PEOPLE,
    "score_transactions": READS
    | {
        "s3:PutObject",
        "dynamodb:BatchGetItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    },
    "archive_events": {"s3:PutObject", "dynamodb:BatchWriteItem", "dynamodb:PutItem"},
    "route_events": {"s3:PutObject", "dynamodb:BatchWriteItem", "events:PutEvents"},
    "project_events": {"s3:PutObject", "dynamodb:BatchWriteItem"},
    "analyze_events": {
        "s3:PutObject",
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
    },
    "read_analytics": AUDITED | PEOPLE,
    "fold_tiles": {
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
    },
    "sweep_timers": {
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
    },
    "seal_tiles": RUN_DOCUMENTS - {"s3:PutObject"}
    | {
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
    },
    "watch_anomalies": {
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
    },
    "send_canary": {"dynamodb:PutItem", "dynamodb:Query", "events:PutEvents"},
    "start_run": {"states:ListExecutions", "states:StartExecution"},
    "plan_backfill": RUN_DOCUMENTS,
    "plan_run": RUN_DOCUMENTS
    | READS_TABLES
    | {"dynamodb:Query", "dynamodb:DescribeKinesisStreamingDestination"}
    | {"kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords"},
    "transform_partitions": RUN_DOCUMENTS,
    "commit_table": RUN_DOCUMENTS | WRITES_TABLES | {"s3:DeleteObject"},
    "prepare_table": RUN_DOCUMENTS | READS_TABLES,
    "build_table": RUN_DOCUMENTS,
    "pin_sources": RUN_DOCUMENTS | READS_TABLES,
    "materialize_features": RUN_DOCUMENTS
    | {"dynamodb:BatchWriteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}
    | {"dynamodb:Query"},
    "publish_run": RUN_DOCUMENTS
    | {
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
    },
    "train_model": READS | {"s3:PutObject"},
    "build_training_set": {"dynamodb:Query", "s3:GetObject", "s3:ListBucket", "s3:PutObject"},
    "register_models": {
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    },
    "move_model": {
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "s3:GetObject",
        "s3:ListBucket",
    },
    "maintain_table": RUN_DOCUMENTS | WRITES_TABLES | {"glue:GetTableOptimizer", "s3:DeleteObject"},
    "reconcile_events": {
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "glue:GetTable",
        "kinesis:PutRecords",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    },
    "open_capture": {
        "dynamodb:DescribeKinesisStreamingDestination",
        "dynamodb:EnableKinesisStreamingDestination",
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:ListStreams",
        "kinesis:PutRecord",
        "kinesis:PutRecords",
    },
}
# What every function has for its log, its failures and its key, and every consumer for its stream.
PLUMBING = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:SendMessage",
}
READS_A_STREAM = {
    **dict.fromkeys(reading(Source.LOG), "kinesis"),
    **dict.fromkeys(reading(Source.TABLE_STREAM), "dynamodb"),
}
# Workers over a million rows at once: as much time as Lambda has, and memory as the environment's settings say.
WORKERS = {"transform_partitions", "build_table", "materialize_features"}
LONG = WORKERS | {
    "keep_audit",
    "erase_subject",
    "import_file",
    "read_databases",
    "seal_tiles",
    "commit_table",
    "maintain_table",
    "reconcile_events",
    "build_training_set",
    "train_model",
}
STREAM_READS = {
    "kinesis": {
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "kinesis:ListStreams",
    },
    "dynamodb": {
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
    },
}


def test_every_folder_is_deployed_in_every_environment(every: Templates) -> None:
    assert set(every.functions()) == set(stems(every.environment))
    assert set(stems()) == set(RIGHTS)


def test_no_other_file_makes_a_function() -> None:
    makers = set()
    for path in (ROOT / "stacks").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {
                "Function",
                "CfnFunction",
                "SingletonFunction",
                "DockerImageFunction",
                "PythonFunction",
                "Provider",
                "AwsCustomResource",
            }:
                makers.add(path.name)
    assert makers == {"platform_function.py"}


@pytest.mark.parametrize("stem", stems())
def test_environment_variables_are_the_settings_both_ways(every: Templates, stem: str) -> None:
    if stem not in stems(every.environment):
        return
    variables: dict[str, Any] = every.functions()[stem]["Properties"]["Environment"]["Variables"]
    model = settings_model(stem)
    assert set(variables) == {name.upper() for name in model.names()}
    # Values of the stack are known at deployment only; any text stands for them.
    known = {name: v if isinstance(v, str) else f"deployed-{name}" for name, v in variables.items()}
    settings = model.from_environment(known)
    assert model.from_environment(settings.environment_variables()) == settings
    assert set(settings.environment_variables()) == set(variables)
    assert settings.environment == every.environment
    fixed = {name for name, value in variables.items() if isinstance(value, str)}
    assert fixed >= COMMON
    defaults = {field.name.upper() for field in fields(model) if field.default is not MISSING}
    numbers = {field.name.upper() for field in fields(model) if field.type is int}
    assert fixed <= COMMON | defaults | numbers, "a table, bucket or bus is referenced, never named"


def test_runtime_and_architecture(every: Templates) -> None:
    settings = ENVIRONMENTS[every.environment]
    for stem, function in every.functions().items():
        properties = function["Properties"]
        assert properties["Runtime"] == settings.runtime
        assert properties["Architectures"] == [settings.architecture]
        assert properties["Handler"] == f"functions.{stem}.handler.handler"
        if every.environment != "local":
            assert (settings.runtime, settings.architecture) == ("python3.13", "arm64")


def test_its_code_is_its_own_folder_at_the_path_of_its_imports(tmp_path: Path) -> None:
    stack = Stack(App(outdir=str(tmp_path)), "Stack")
    lambda_.Function(
        stack, "Function", code=_code("predict"), handler="h.h", runtime=lambda_.Runtime.PYTHON_3_13
    )
    (asset,) = tmp_path.glob("asset.*")
    files = {path.relative_to(asset).as_posix() for path in asset.rglob("*") if path.is_file()}
    own = {"functions/predict/handler.py", "functions/predict/settings.py"}
    assert files == {"functions/__init__.py", *own}


def test_each_has_bounds_a_log_group_with_retention_and_a_place_for_failures(every: Templates) -> None:
    groups = every.resources("AWS::Logs::LogGroup")
    targets = every.resources("AWS::Lambda::EventInvokeConfig")
    for stem, function in every.functions().items():
        properties = function["Properties"]
        assert 128 <= properties["MemorySize"] <= (10240 if stem in WORKERS else 3008), stem
        assert 1 <= properties["Timeout"] <= (900 if stem in LONG else 300), stem
        group = groups[properties["LoggingConfig"]["LogGroup"]["Ref"]]
        assert group["Properties"]["RetentionInDays"] == ENVIRONMENTS[every.environment].log_retention_days
        mine = [t for name, t in targets.items() if f"{stem.replace('_', '')}Function" in name]
        assert len(mine) == 1
        assert "Destination" in mine[0]["Properties"]["DestinationConfig"]["OnFailure"]
        assert mine[0]["Properties"]["MaximumEventAgeInSeconds"] == 21600


def test_answers_come_before_the_gateway_gives_up(every: Templates) -> None:
    for stem in (
        "post_events",
        "collect",
        "receive_webhooks",
        "read_api",
        "read_analytics",
        "authorize",
        "predict",
    ):
        assert every.functions()[stem]["Properties"]["Timeout"] < 30


def test_a_function_carries_no_layer_that_it_does_not_need(every: Templates) -> None:
    for stem, function in every.functions().items():
        layers = [layer["Ref"] for layer in function["Properties"]["Layers"]]
        names = {
            name
            for name in (
                "Millrace",
                "Runtime",
                "Lake",
                "Registry",
                "Duckdb",
                "Iceberg",
                "Onnx",
                "Mlflow",
                "Sketches",
                "Training",
            )
            if any(f"Layers{name}" in ref for ref in layers)
        }
        own = {
            "archive_events": {"Lake"},
            "import_file": {"Lake"},
            "check_schema": {"Registry"},
            "query_lake": {"Duckdb"},
            **{one: {"Sketches"} for one in ("fold_tiles", "read_analytics", "watch_anomalies")},
            "seal_tiles": {"Duckdb", "Sketches"},
            **{scorer: {"Onnx"} for scorer in ("predict", "score_transactions")},
            **{worker: {"Duckdb"} for worker in WORKERS},
            **{one: {"Lake", "Duckdb"} for one in ("materialize_features", "build_training_set")},
            **{one: {"Mlflow"} for one in ("register_models", "move_model")},
            **{
                one: {"Lake", "Iceberg"}
                for one in (
                    "commit_table",
                    "prepare_table",
                    "pin_sources",
                    "maintain_table",
                    "reconcile_events",
                    "erase_subject",
                )
            },
        }
        assert names == {"Millrace", "Runtime"} | own.get(stem, set())
        # Of each of these sets the size is held; Lambda, and the local platform at a second deploy, takes no more.
        assert names in [{"Millrace", *map(str.capitalize, one)} for one in (*build.SETS, ("runtime",))]


@pytest.mark.parametrize("stem", stems())
def test_rights_are_exactly_those_of_the_table(every: Templates, stem: str) -> None:
    if stem not in stems(every.environment):
        return
    allowed = {
        action
        for statement in every.rights(stem)
        if "kms:ViaService" not in str(statement.get("Condition"))
        for action in as_list(statement["Action"])
    }
    wanted = RIGHTS[stem] | PLUMBING
    if stem == "commit_table" and ENVIRONMENTS[every.environment].lakehouse.optimizers:
        wanted |= {"glue:CreateTableOptimizer", "iam:PassRole"}
    if stem == "manage_access" and every.environment != "local":
        wanted |= {"sts:AssumeRole"}
    if stem in READS_A_STREAM:
        wanted |= STREAM_READS[READS_A_STREAM[stem]]
        if every.environment != "local":
            wanted |= {"s3:ListBucket"}
        if stem == "score_transactions" and ENVIRONMENTS[every.environment].fraud_fan_out:
            wanted |= {"kinesis:SubscribeToShard"}
    assert allowed == wanted


def test_no_action_has_a_wildcard(every: Templates) -> None:
    for name, statement in every.statements():
        assert not [action for action in as_list(statement["Action"]) if "*" in action], name


def test_a_wildcard_resource_stands_alone_in_its_policy_and_is_a_prefix(every: Templates) -> None:
    prefixes = set()
    for name, statement in every.statements():
        for resource in as_list(statement["Resource"]):
            text = resource if isinstance(resource, str) else str(resource)
            if "*" not in text:
                continue
            if as_list(statement["Action"])[0].endswith(":ListStreams") or _is_a_machines(name):
                continue
            assert len(as_list(statement["Resource"])) == 1, name
            prefixes.add(text.split("'")[-2].lstrip("/:"))
    wanted = {
        "raw/logs/*",
        "raw/external-data/*",
        "imports/*",
        "quarantine/*",
        "privacy/certificates/*",
        "privacy/exports/*",
        "raw/events/*",
        "models/*",
        *(f"{one.dead_letters}*" for one in CONSUMERS if one.redrivable),
    }
    wanted |= {"runs/*", "processed/*", "curated/*", "lineage/*", "dead-letters/transform_partitions/*"}
    wanted |= {
        "query-results/*",
        "curated/anonymised/*",
        "audit/anchors/*",
        "reconcile/*",
        "processed/ml-datasets/*",
        "processed/features/*",
    }
    wanted |= {
        f"table/millrace_{every.environment}_{layer}/*"
        for layer in ("silver", "gold", "marts", "ml_features")
    }
    wanted.add(f"secret:millrace/{every.environment}/sources/*")
    if every.environment != "local":
        wanted |= {"aws/lambda/*", f"role/millrace-{every.environment}-bi-*"}
    assert prefixes == wanted


def _is_a_machines(policy: str) -> bool:
    """Log deliveries and traces have no ARNs, and an execution's ends in its name: `test_lakehouse.py` has these.

    And a training job's, which `test_learning.py` has.
    """
    machines = [path.name.removesuffix(".asl.json").replace("_", "") for path in FOLDER.glob("*.asl.json")]
    return policy.startswith((*machines, "Optimizers", "LearningTrainingJob"))


def test_the_data_key_serves_only_through_the_stores(every: Templates) -> None:
    for name, statement in every.statements():
        actions = as_list(statement["Action"])
        if actions == ["kms:Encrypt"]:
            assert name.startswith("LearningTrainingJob"), "SageMaker asks it, and not said to be through S3"
        elif any(action.startswith("kms:") for action in actions) and "DataKey" in str(statement["Resource"]):
            services = statement["Condition"]["StringEquals"]["kms:ViaService"]
            through_one = ("Alerts", "FraudAlerts", "LearningTrainingJob", "Optimizers")
            assert len(services) == (1 if name.startswith(through_one) else 3), name


def test_alarms_watch_every_function_where_there_is_someone_to_wake() -> None:
    for name in ENVIRONMENTS:
        watched = {
            (alarm["Properties"]["MetricName"], str(alarm["Properties"]["Dimensions"]))
            for alarm in templates(name).resources("AWS::CloudWatch::Alarm").values()
            if alarm["Properties"]["Namespace"] == "AWS/Lambda"
        }
        for stem in stems(name):
            flat = f"{stem.replace('_', '')}Function"
            kinds = {metric for metric, dimensions in watched if flat in dimensions}
            wanted = {"Errors", "Throttles"} | ({"IteratorAge"} if stem in READS_A_STREAM else set())
            # It is called each minute or two and writes no metric of its own each time.
            wanted |= {"Invocations"} if stem == "sweep_timers" else set()
            assert kinds == (wanted if name in {"staging", "prod"} else set())
