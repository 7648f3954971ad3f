"""The lakehouse's machines as files and as deployed, when they start, and the catalog."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from millrace.archive.raw import SCHEMA, partition
from stacks.asl import FOLDER, definition
from stacks.constructs.glue_catalog import PARTITIONS
from stacks.environment import ENVIRONMENTS
from tests.support.machines import started_by
from tests.support.state_machine import CHILD, LAMBDA
from tests.support.state_values import evaluate
from tests.support.templates import Templates, as_list, templates

MACHINES = tuple(sorted(path.name.removesuffix(".asl.json") for path in FOLDER.glob("*.asl.json")))
CALLS = {
    "hourly_etl": {
        "PlanRun": "planrun",
        "CommitTable": "committable",
        "PinSources": "pinsources",
        "MaterializeFeatures": "materializefeatures",
        "PublishRun": "publishrun",
    },
    "raw_to_silver": {"TransformPartitions": "transformpartitions"},
    "refresh_table": {
        "PrepareTable": "preparetable",
        "BuildTable": "buildtable",
        "CommitTable": "committable",
    },
    "backfill": {"PlanBackfill": "planbackfill"},
    "maintenance": {"MaintainTable": "maintaintable"},
    "seal_tiles": {"PinSources": "pinsources", "SealTiles": "Sealingsealtiles"},
    "erase_subject": {"EraseSubject": "Erasureerasesubject"},
    "import_file": {"ImportFile": "Filesimportfile"},
    "train_model": {"PinSources": "pinsources"},
    "train_tenants": {
        "PinSources": "pinsources",
        "BuildTrainingSet": "buildtrainingset",
        "RegisterModels": "registermodels",
        "MoveModel": "movemodel",
        "TrainModel": "Learningtrainmodel",
    },
}
SAGEMAKER = "arn:aws:states:::sagemaker:createTrainingJob.sync"


def calls(name: str, environment: str) -> dict[str, str]:
    """Placeholders of a machine's functions, and what fills them; where there are training jobs no function trains."""
    found = CALLS[name]
    return (
        found if environment == "local" else {key: one for key, one in found.items() if key != "TrainModel"}
    )


def states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in machine["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])


def levels(machine: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield machine
    for state in machine["States"].values():
        if "ItemProcessor" in state:
            yield from levels(state["ItemProcessor"])


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(part)


def test_there_are_these() -> None:
    assert set(MACHINES) == set(CALLS)


@pytest.mark.parametrize("name", MACHINES)
def test_every_state_is_reached_and_every_path_ends(name: str) -> None:
    for level in levels(definition(name)):
        known, seen, ahead = level["States"], set[str](), [level["StartAt"]]
        while ahead:
            at = ahead.pop()
            assert at in known, f"{name}: {at} is not a state"
            if at in seen:
                continue
            seen.add(at)
            state = known[at]
            nexts = [state.get("Next"), state.get("Default")]
            nexts += [choice["Next"] for choice in state.get("Choices", [])]
            nexts += [catch["Next"] for catch in state.get("Catch", [])]
            found = [one for one in nexts if one]
            ends = state.get("End") or state["Type"] in {"Succeed", "Fail"}
            assert bool(found) or ends, f"{name}: {at} leads nowhere"
            ahead += found
        assert seen == set(known), f"{name}: {set(known) - seen} cannot be reached"
    names = [state for state, _ in states(definition(name))]
    assert len(names) == len(set(names)), "a name stands for one state in the history of an execution"


@pytest.mark.parametrize("name", MACHINES)
def test_every_task_is_retried_within_bounds_and_none_fails_a_map(name: str) -> None:
    inner = {state for level in list(levels(definition(name)))[1:] for state in level["States"]}
    for state, task in states(definition(name)):
        if task["Type"] != "Task":
            continue
        assert task["Resource"] in {LAMBDA, CHILD, SAGEMAKER}
        assert task["TimeoutSeconds"] > 900 or task["Resource"] == CHILD
        errors = {error for retry in task["Retry"] for error in retry["ErrorEquals"]}
        if task["Resource"] == SAGEMAKER:
            assert errors == {"SageMaker.AmazonSageMakerException"}, "a job that failed is not paid for again"
        else:
            assert "States.TaskFailed" in errors, (
                "the emulator reports every exception as Runtime.HandlerError"
            )
        if task["Resource"] == LAMBDA:
            assert {"Lambda.ServiceException", "Lambda.TooManyRequestsException"} <= errors
        for retry in task["Retry"]:
            assert 1 <= retry["MaxAttempts"] <= 6
            assert retry["BackoffRate"] > 1
            assert retry["JitterStrategy"] == "FULL"
            assert retry["MaxDelaySeconds"] <= 60
        (caught,) = task["Catch"]
        assert caught["ErrorEquals"] == ["States.ALL"]
        if state in inner:
            level = next(level for level in levels(definition(name)) if state in level["States"])
            assert level["States"][caught["Next"]]["Type"] == "Pass", "its failure is an outcome"


@pytest.mark.parametrize("name", MACHINES)
def test_every_expression_can_be_read(name: str) -> None:
    for text in texts(definition(name)):
        if text.startswith("{%"):
            assert text.endswith("%}")
            source = re.sub(r"\$\{\w+\}", "1", text[2:-2])
            # In a function that is not called, so that it is read and not run.
            assert evaluate(f"$exists(function() {{ {source} }})", {}) is True
        else:
            assert "{%" not in text


@pytest.mark.parametrize("name", MACHINES)
def test_a_run_that_fails_names_itself(name: str) -> None:
    for state, ended in states(definition(name)):
        if ended["Type"] == "Fail":
            assert "$states.context.Execution.Name" in ended["Cause"], state
            assert ended["Error"].startswith("Millrace."), state


@pytest.mark.parametrize("name", MACHINES)
def test_the_file_is_what_is_deployed_with_every_placeholder_filled(every: Templates, name: str) -> None:
    machine = every.one("AWS::StepFunctions::StateMachine", name.replace("_", ""))["Properties"]
    assert json.loads(machine["DefinitionString"]) == definition(name)
    wanted = set(re.findall(r"\$\{(\w+)\}", machine["DefinitionString"]))
    filled = machine["DefinitionSubstitutions"]
    assert wanted == set(filled)
    for placeholder, function in calls(name, every.environment).items():
        assert filled[placeholder]["Fn::GetAtt"][0].startswith(f"{function}Function")
    if "MaxConcurrency" in wanted:
        lakehouse, learning = (
            getattr(ENVIRONMENTS[every.environment], part).max_concurrency
            for part in ("lakehouse", "learning")
        )
        assert filled["MaxConcurrency"] == str(learning if name == "train_model" else lakehouse)
    for child in started_by(definition(name)):
        assert filled[f"{child}Machine"]["Ref"].startswith(f"{child.lower()}Machine")


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_is_logged_and_traced_and_calls_only_its_functions(every: Templates, name: str) -> None:
    flat = name.replace("_", "")
    machine = every.one("AWS::StepFunctions::StateMachine", flat)["Properties"]
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    invoked: set[str] = set()
    awaited = 0
    wild: dict[str, set[str]] = {}
    for policy, statement in every.statements():
        if not policy.startswith(flat):
            continue
        actions = set(as_list(statement["Action"]))
        if actions == {"lambda:InvokeFunction"}:
            invoked |= {arn["Fn::GetAtt"][0] for arn in as_list(statement["Resource"])}
        for resource in as_list(statement["Resource"]):
            if "*" in str(resource):
                wild.setdefault(policy.removeprefix(f"{flat}Role")[:5], set()).update(actions)
                awaited += str(resource).count(":execution:")
    assert {arn.split("Function")[0] for arn in invoked} == set(calls(name, every.environment).values())
    jobs = name == "train_tenants" and every.environment != "local"
    children = started_by(definition(name))
    assert awaited == len(children)
    more = {"Await"} if children else {"Train"} if jobs else set()
    assert set(wild) == {"LogDe", "Trace"} | more
    assert all(action.startswith("logs:") for action in wild["LogDe"])
    assert all(action.startswith("xray:") for action in wild["Trace"])
    assert wild.get("Await", set()) <= {"states:DescribeExecution", "states:StopExecution"}


def test_runs_start_by_themselves_everywhere(every: Templates) -> None:
    found = {}
    for name, schedule in every.resources("AWS::Scheduler::Schedule").items():
        properties = schedule["Properties"]
        assert properties["State"] == "ENABLED"
        assert properties["ScheduleExpressionTimezone"] == "UTC"
        if not properties["Target"]["Arn"]["Fn::GetAtt"][0].startswith("startrunFunction"):
            assert name.startswith(
                ("Audit", "Canary", "FoldTiles", "Reconciliation", "Timers", "WatchAnomalies")
            )
            continue
        assert ("DeadLetterConfig" in properties["Target"]) is (every.environment != "local")
        found[name.split("Schedule")[0]] = (
            properties["ScheduleExpression"],
            json.loads(properties["Target"]["Input"]),
        )
    assert found == {
        "Hourly": ("cron(5 * * * ? *)", {"machine": "hourly_etl", "input": {"refresh": ["hourly"]}}),
        "Daily": (
            "cron(35 2 * * ? *)",
            {"machine": "hourly_etl", "input": {"refresh": ["hourly", "daily"]}},
        ),
        "Maintenance": ("cron(20 4 * * ? *)", {"machine": "maintenance", "input": {}}),
        "Seal": ("cron(50 3 * * ? *)", {"machine": "seal_tiles", "input": {}}),
        "Weekly": ("cron(10 3 ? * SUN *)", {"machine": "train_model", "input": {}}),
    }


def test_failed_executions_wake_someone_where_there_is_someone() -> None:
    for name in ENVIRONMENTS:
        watched = {
            logical_id.split("Failed")[0]
            for logical_id, alarm in templates(name).resources("AWS::CloudWatch::Alarm").items()
            if alarm["Properties"]["MetricName"] == "ExecutionsFailed"
        }
        machines = {name.replace("_", "") for name in MACHINES}
        assert watched == (machines if name in {"staging", "prod"} else set())


def test_a_database_for_each_layer(every: Templates) -> None:
    names = {
        database["Properties"]["DatabaseInput"]["Name"]
        for database in every.resources("AWS::Glue::Database").values()
    }
    layers = ("raw", "silver", "gold", "marts", "ml_features")
    assert names == {f"millrace_{every.environment}_{layer}" for layer in layers}


def test_athena_finds_raw_where_the_archive_writes_it(every: Templates) -> None:
    (table,) = every.resources("AWS::Glue::Table").values()
    given = table["Properties"]["TableInput"]
    parameters = given["Parameters"]
    assert [column["Name"] for column in given["StorageDescriptor"]["Columns"]] == SCHEMA.names
    assert [column["Name"] for column in given["PartitionKeys"]] == list(PARTITIONS)
    for name in PARTITIONS:
        kind = parameters[f"projection.{name}.type"]
        wanted = {"injected": set(), "enum": {"values"}, "integer": {"range"}}[kind]
        assert wanted <= {key.split(".")[-1] for key in parameters if key.startswith(f"projection.{name}.")}
    template = "".join(
        part for part in parameters["storage.location.template"]["Fn::Join"][1] if isinstance(part, str)
    )
    values = {"org": "o", "category": "c", "year": "2026", "month": "03", "day": "09"}
    filled = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], template)
    assert filled == f"s3:///{partition('o', 'c', '2026-03-09')}/"


def test_results_of_queries_are_encrypted_and_the_workgroup_insists(every: Templates) -> None:
    (group,) = every.resources("AWS::Athena::WorkGroup").values()
    configuration = group["Properties"]["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    result = configuration["ResultConfiguration"]
    assert result["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"
    assert "/athena-results/" in str(result["OutputLocation"])


def test_the_machines_are_outputs(every: Templates) -> None:
    outputs = every.stacks["lakehouse"]["Outputs"]
    machines = {"HourlyEtlMachine", "BackfillMachine", "MaintenanceMachine", "TrainModelMachine"}
    databases = {f"{layer}Database" for layer in ("Raw", "Silver", "Gold", "Marts", "MlFeatures")}
    assert machines | databases <= set(outputs)


def test_glue_keeps_tables_in_shape_in_prod_only(every: Templates) -> None:
    """Its role reaches the tables and their files, and nothing else of the lake."""
    mine = [(name, one) for name, one in every.statements() if name.startswith("Optimizers")]
    assert bool(mine) is (every.environment == "prod")
    role = every.functions()["commit_table"]["Properties"]["Environment"]["Variables"]["OPTIMIZER_ROLE_ARN"]
    assert bool(role) is (every.environment == "prod")
    wild = {
        str(resource).split("'")[-2].lstrip("/:")
        for _, statement in mine
        for resource in as_list(statement["Resource"])
        if "*" in str(resource)
    }
    tables = {f"table/millrace_prod_{layer}/*" for layer in ("silver", "gold", "marts", "ml_features")}
    logs = {
        f"log-group:/aws-glue/iceberg-{kind}/logs:*"
        for kind in ("compaction", "retention", "orphan-file-deletion")
    }
    assert wild == (tables | logs | {"processed/*", "curated/*"} if mine else set())
