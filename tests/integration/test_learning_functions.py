"""The functions behind a training's end, and their roles: what they ask of AWS is allowed, and nothing without a reason."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.functions import function
from tests.support.model_artifacts import ORG, RUN, archive, card
from tests.support.platform import GLOBEX, LAKE, Platform, platform
from tests.support.rights import Call, Recorder, Rights
from tests.support.templates import templates

STEMS = ("register_models", "move_model")
ENVIRON = {
    "ENVIRONMENT": "local",
    "EVENTS_TABLE": "Events",
    "MODELS_TABLE": "MLModels",
    "LAKE_BUCKET": LAKE,
    "LOG_LEVEL": "ERROR",
    # Nobody listens there.
    "TRACKING_URI": "http://127.0.0.1:9",
}
BY_LAMBDA = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:SendMessage",
}
MISSED = "without it an object that is not there is refused instead of missed, and here all are there"
UNUSED: dict[str, dict[Call, str]] = {
    "register_models": {("s3:ListBucket", "lake"): MISSED},
    "move_model": {("s3:ListBucket", "lake"): MISSED},
}


class Stage:
    """Both functions over a platform's stores."""

    def __init__(self, running: Platform, stack: ExitStack, recorder: Recorder) -> None:
        self.running, self.recorder = running, recorder
        self._functions = {stem: stack.enter_context(function(stem, ENVIRON)) for stem in STEMS}

    def call(self, stem: str, event: dict[str, Any]) -> dict[str, Any]:
        with self.recorder.of(stem):
            answer: dict[str, Any] = self._functions[stem](event, None)
        return answer

    def register(self, *, run: str = RUN, org: str = ORG, **more: Any) -> dict[str, Any]:
        content = archive(
            [card(org=org, run=run, **more), card("logistic_regression", org=org, run=run, recall=0.2)],
            {"gradient_boosting": "one class"},
        )
        key = f"processed/ml-datasets/org={org}/{run}/output/model.tar.gz"
        self.running.s3.put_object(Bucket=LAKE, Key=key, Body=content)
        request = {"runId": run, "org": org, "model": "fraud", "artifact": f"s3://{LAKE}/{key}"}
        return self.call("register_models", request)

    def move(self, to: str, reason: str = "promote", **more: Any) -> dict[str, Any]:
        return self.call(
            "move_model", {"org": ORG, "model": "fraud", "to": to, "reason": reason, "by": "tests", **more}
        )


@pytest.fixture(scope="module")
def stage(bundle: Path) -> Iterator[Stage]:
    recorder = Recorder()
    with platform(bundle) as running, ExitStack() as stack, recorder.installed():
        yield Stage(running, stack, recorder)


@pytest.fixture(scope="module")
def registered(stage: Stage) -> dict[str, Any]:
    return stage.register()


def test_a_registration_says_what_became_of_each_model_and_names_who_is_down(
    registered: dict[str, Any], stage: Stage
) -> None:
    forest, logistic, boosting = registered["models"]
    assert (registered["runId"], registered["best"]) == (RUN, "00000001")
    assert (forest["name"], forest["version"], forest["status"]) == ("random_forest", "00000001", "candidate")
    assert forest["gates"]["recall"] == {"least": 0.7, "value": 0.84, "passed": True}
    assert (logistic["status"], logistic["gates"]["recall"]["passed"]) == ("rejected", False)
    assert (boosting["version"], boosting["status"], boosting["error"]) == (None, "failed", "one class")
    assert forest["mlflow"].startswith("not logged: MLflow at http://127.0.0.1:9: it does not answer")
    assert stage.register()["models"][0]["version"] == "00000001"


def test_a_move_is_answered_and_a_refusal_is_no_error(registered: dict[str, Any], stage: Stage) -> None:
    moved = stage.move("00000001", "deploy", runId=RUN, request=RUN)
    assert (moved["status"], moved["version"], moved["replaces"], moved["move"]) == (
        "moved",
        "00000001",
        None,
        1,
    )
    assert stage.move("1")["status"] == "unchanged"
    refused = stage.move("2")
    assert refused["status"] == "refused"
    assert "recall 0.200 is below 0.70" in refused["why"]
    assert stage.move("2", force=True)["replaces"] == "00000001"
    assert stage.move("previous", "rollback")["version"] == "00000001"
    assert "none was champion" in stage.move("previous", "rollback")["why"]
    for changed, says in (
        ({"org": "org_other"}, "org_other has no version"),
        ({"org": "a/b"}, "not a valid name of a tenant"),
        ({"by": ""}, "a move needs by"),
        ({"reason": "whim"}, "reason is"),
        ({"request": 5}, "request is text"),
    ):
        assert says in stage.move("1", **changed)["why"]


def test_a_number_whose_folder_is_taken_is_skipped(stage: Stage) -> None:
    """By a run that never came back to write its row."""
    taken = "models/org_globex/fraud/00000001/model.json"
    stage.running.s3.put_object(Bucket=LAKE, Key=taken, Body=b"{}")
    assert [one["version"] for one in stage.register(org=GLOBEX)["models"]] == ["00000002", "00000003", None]
    assert stage.running.s3.get_object(Bucket=LAKE, Key=taken)["Body"].read() == b"{}"


def test_an_artifact_of_another_tenant_is_not_registered(stage: Stage) -> None:
    content = archive([card(org=GLOBEX)])
    key = f"processed/ml-datasets/org={ORG}/x/output/model.tar.gz"
    stage.running.s3.put_object(Bucket=LAKE, Key=key, Body=content)
    request = {"runId": RUN, "org": ORG, "model": "fraud", "artifact": f"s3://{LAKE}/{key}"}
    with pytest.raises(Exception, match="is of org_globex"):
        stage.call("register_models", request)
    with pytest.raises(Exception, match="is not in s3://lake/"):
        stage.call("register_models", {**request, "artifact": "s3://elsewhere/model.tar.gz"})


@pytest.mark.parametrize("environment", ["dev", "prod"])
@pytest.mark.parametrize("stem", STEMS)
def test_a_role_allows_what_its_function_asks(
    registered: dict[str, Any], stage: Stage, stem: str, environment: str
) -> None:
    stage.move("1")
    rights = Rights(templates(environment), stem)
    assert stage.recorder.calls[stem]
    assert [
        one
        for one in sorted(stage.recorder.calls[stem])
        if not rights.allow(one) and not one[1].startswith("elsewhere")
    ] == []


@pytest.mark.parametrize("stem", STEMS)
def test_a_role_allows_nothing_without_a_reason(registered: dict[str, Any], stage: Stage, stem: str) -> None:
    stage.move("2", force=True)
    unused = Rights(templates("prod"), stem).unused(stage.recorder.calls[stem])
    assert {one for one in unused if one[0] not in BY_LAMBDA} == set(UNUSED[stem])
