"""The training machine: one tenant's end is no other's, and nothing is served that did not pass."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from millrace.lake.sources import portion, portions
from stacks.asl import definition
from tests.support.machines import machine
from tests.support.state_machine import Call, Execution, Killed
from tests.support.state_values import TaskError

RUN = "train_model-org_acme-20261122-1"
VALUES = {
    "TrainIn": "lambda",
    "MaxConcurrency": "1",
    "ManagedSpot": "true",
    "MaxRuntime": "7200",
    "MaxWait": "43200",
}
MODELS = [
    {"name": "random_forest", "version": "00000002", "status": "candidate"},
    {"name": "logistic_regression", "version": "00000001", "status": "rejected"},
]


class Stage:
    """Functions that answer as ours do; each can be told otherwise."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[Any], Any]] = {
            "PinSources": self._pin,
            "BuildTrainingSet": lambda given: {
                "status": "ready",
                "org": given["org"],
                "job": "millrace-dev-1",
                "train": f"s3://lake/{given['org']}/train/",
                "output": f"s3://lake/{given['org']}/output/",
            },
            "TrainModel": lambda _: {},
            "RegisterModels": lambda given: {"models": MODELS, "best": "00000002"},
            "MoveModel": lambda given: {"status": "moved", "version": given["to"]},
        }
        self.asked: list[tuple[str, Any]] = []
        self.orgs, self.most = ["org_acme", "org_globex"], 400
        # Of the execution that ran last.
        self.trainings: list[Any] = []

    def _pin(self, given: Any) -> Any:
        if "portion" in given:
            return {"orgs": list(portion(self.orgs, given["portion"], given["portions"]))}
        return {"portions": list(range(portions(self.orgs, min(self.most, given["mostPortions"]))))}

    def run(self, given: Any = None, hook: Any = None, **values: str) -> Execution:
        def call(name: str) -> Callable[[Any], Any]:
            def answer(payload: Any) -> Any:
                self.asked.append((name, payload))
                return self.answers[name](payload)

            return answer

        functions = {name: call(name) for name in self.answers}
        train = machine("train_model", functions, values={**VALUES, **values}, hook=hook)
        done = train.run(RUN, given)
        ended = train.children["TrainTenantsMachine"].executions.values()
        self.trainings = [one for each in ended if each.output for one in each.output["trainings"]]
        return done

    def payloads(self, name: str) -> list[Any]:
        return [payload for asked, payload in self.asked if asked == name]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_tenant_that_is_named_is_the_only_one(stage: Stage) -> None:
    done = stage.run({"org": "org_globex", "model": "fraud", "split": {"trainFrom": "x"}, "request": "r"})
    assert done.status == "SUCCEEDED", done.cause
    assert done.output == {
        "runId": RUN,
        "executions": [f"arn:aws:states:::execution:TrainTenantsMachine:{RUN}-0-0"],
        "failed": 0,
        "why": "",
    }
    assert stage.trainings == [
        {"org": "org_globex", "status": "deployed", "champion": "00000002", "models": MODELS}
    ]
    assert stage.payloads("BuildTrainingSet") == [
        {"model": "fraud", "split": {"trainFrom": "x"}, "runId": RUN, "org": "org_globex"}
    ]
    assert stage.payloads("RegisterModels") == [
        {
            "runId": RUN,
            "org": "org_globex",
            "model": "fraud",
            "artifact": "s3://lake/org_globex/output/model.tar.gz",
        }
    ]
    assert stage.payloads("MoveModel") == [
        {
            "org": "org_globex",
            "model": "fraud",
            "to": "00000002",
            "reason": "deploy",
            "by": "train_model",
            "runId": RUN,
            "request": RUN,
        }
    ]


def test_without_one_every_tenant_is_trained(stage: Stage) -> None:
    done = stage.run({})
    assert done.status == "SUCCEEDED"
    assert [one["org"] for one in stage.trainings] == ["org_acme", "org_globex"]
    assert [one["org"] for one in stage.payloads("MoveModel")] == ["org_acme", "org_globex"]


def test_no_tenant_at_all_is_well(stage: Stage) -> None:
    stage.orgs = []
    assert stage.run({}).output == {"runId": RUN, "executions": [], "failed": 0, "why": ""}


def test_many_tenants_share_executions_and_only_the_failed_are_named(stage: Stage) -> None:
    stage.orgs, stage.most = [f"org_{number}" for number in range(7)], 3
    stage.answers["TrainModel"] = lambda given: given["org"] in ("org_1", "org_5") and 1 / 0
    done = stage.run({})
    assert [one["org"] for one in stage.trainings] == stage.orgs
    assert {one["org"] for one in stage.payloads("MoveModel")} == set(stage.orgs) - {"org_1", "org_5"}
    assert done.error == "Millrace.TrainingFailed"
    assert re.findall(r"org_\d", done.cause) == ["org_1", "org_5"]
    assert "org_5: ZeroDivisionError" in done.cause


def test_a_portion_that_breaks_off_is_a_failure_and_stops_no_other(stage: Stage) -> None:
    pin = stage.answers["PinSources"]

    def fails(given: Any) -> Any:
        if given.get("portion") == 0:
            raise TaskError("States.TaskFailed", "the lake is gone")
        return pin(given)

    stage.answers["PinSources"] = fails
    done = stage.run({})
    assert [one["org"] for one in stage.trainings] == ["org_globex"]
    assert done.error == "Millrace.TrainingFailed"
    assert "the lake is gone" in done.cause


def test_too_little_history_is_no_fault_and_keeps_no_one_else(stage: Stage) -> None:
    ready = stage.answers["BuildTrainingSet"]
    stage.answers["BuildTrainingSet"] = lambda given: (
        {"status": "refused", "org": given["org"], "why": "too few days"}
        if given["org"] == "org_acme"
        else ready(given)
    )
    done = stage.run({})
    assert done.status == "SUCCEEDED"
    assert stage.trainings[0] == {
        "org": "org_acme",
        "status": "refused",
        "why": "too few days",
        "models": [],
    }
    assert stage.trainings[1]["status"] == "deployed"


@pytest.mark.parametrize(
    ("models", "status"),
    [
        ([{"status": "rejected"}, {"status": "failed"}], "nothing_passed"),
        ([{"status": "rejected"}], "nothing_passed"),
        ([{"status": "trial"}, {"status": "rejected"}], "trial"),
        ([{"status": "trial"}], "trial"),
    ],
)
def test_what_may_not_be_served_is_not(stage: Stage, models: list[Any], status: str) -> None:
    stage.answers["RegisterModels"] = lambda _: {"models": models, "best": None}
    done = stage.run({"org": "org_acme"})
    assert done.status == "SUCCEEDED", done.cause
    assert stage.trainings == [{"org": "org_acme", "status": status, "models": models}]
    assert stage.payloads("MoveModel") == []


@pytest.mark.parametrize("step", ["BuildTrainingSet", "TrainModel", "RegisterModels", "MoveModel"])
def test_a_step_that_fails_for_good_is_named_and_the_others_go_on(stage: Stage, step: str) -> None:
    well = stage.answers[step]

    def fails(given: Any) -> Any:
        if given["org"] == "org_acme":
            raise TaskError("States.TaskFailed", "the lake is gone")
        return well(given)

    stage.answers[step] = fails
    done = stage.run({})
    assert (done.status, done.error) == ("FAILED", "Millrace.TrainingFailed")
    assert RUN in done.cause
    assert "org_acme: States.TaskFailed the lake is gone" in done.cause
    assert "org_globex" not in done.cause
    deployed = [one["org"] for one in stage.payloads("MoveModel") if one["org"] == "org_globex"]
    assert deployed == ["org_globex"]


def test_a_move_that_is_refused_is_a_failure_with_its_reason(stage: Stage) -> None:
    stage.answers["MoveModel"] = lambda _: {
        "status": "refused",
        "why": "model.onnx is not what was registered",
    }
    done = stage.run({"org": "org_acme"})
    assert done.error == "Millrace.TrainingFailed"
    assert "org_acme: model.onnx is not what was registered" in done.cause


def test_what_cannot_be_pinned_changes_nothing(stage: Stage) -> None:
    def fails(_: Any) -> Any:
        raise TaskError("States.TaskFailed", "no catalog")

    stage.answers["PinSources"] = fails
    done = stage.run({})
    assert done.error == "Millrace.NotPinned"
    assert "no catalog" in done.cause
    assert {name for name, _ in stage.asked} == {"PinSources"}


@pytest.mark.parametrize("step", ["BuildTrainingSet", "TrainModel", "RegisterModels", "MoveModel"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_step_that_fails_once_is_tried_again_with_the_same(stage: Stage, step: str, when: str) -> None:
    def hook(call: Call) -> None:
        if (call.name, call.when, call.attempt) == (step, when, 0):
            raise TaskError("Lambda.ServiceException", "once")

    done = stage.run({"org": "org_acme"}, hook)
    assert done.status == "SUCCEEDED", done.cause
    payloads = stage.payloads(step)
    assert len(payloads) == (2 if when == "after" else 1)
    assert all(payload == payloads[0] for payload in payloads)


def test_an_execution_that_is_stopped_moves_nothing(stage: Stage) -> None:
    def hook(call: Call) -> None:
        if call.name == "RegisterModels" and call.when == "after":
            raise Killed

    assert stage.run({"org": "org_acme"}, hook).status == "ABORTED"
    assert stage.payloads("MoveModel") == []


def test_sagemakers_job_gets_channel_output_spot_and_script() -> None:
    """What the emulator has not is read from the file."""
    task = definition("train_tenants")["States"]["Tenants"]["ItemProcessor"]["States"]["TrainInSageMaker"]
    asked = task["Arguments"]
    assert asked["TrainingJobName"] == "{% $states.input.job %}"
    (channel,) = asked["InputDataConfig"]
    assert channel["ChannelName"] == "train"
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == "{% $states.input.train %}"
    assert asked["OutputDataConfig"] == {
        "S3OutputPath": "{% $states.input.output %}",
        "KmsKeyId": "${DataKey}",
    }
    assert asked["HyperParameters"]["sagemaker_program"] == "train.py"
    assert set(re.findall(r"\$\{(\w+)\}", str(asked))) == {
        "TrainingRole",
        "TrainingImage",
        "TrainingSource",
        "TrainingCores",
        "DataKey",
        "InstanceType",
        "ManagedSpot",
        "MaxRuntime",
        "MaxWait",
    }


@pytest.mark.parametrize(("spot", "wait"), [("true", {"MaxWaitTimeInSeconds": 43200}), ("false", {})])
def test_only_spot_waits(spot: str, wait: dict[str, int]) -> None:
    """SageMaker refuses a wait for a job that is not of spot."""
    from tests.support.state_values import evaluate

    task = definition("train_tenants")["States"]["Tenants"]["ItemProcessor"]["States"]["TrainInSageMaker"]
    text = task["Arguments"]["StoppingCondition"][2:-2]
    for name, value in {**VALUES, "ManagedSpot": spot}.items():
        text = text.replace(f"${{{name}}}", value)
    assert evaluate(text, {}) == {"MaxRuntimeInSeconds": 7200, **wait}
