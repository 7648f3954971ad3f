"""Registration of models: artifacts, versions, gates, once for each training, whatever fails on the way."""

import threading
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from millrace.contracts.registry import Registry
from millrace.core.errors import RetryableError
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.model_registry import rows
from millrace.model_registry.artifact import ArtifactError
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.package import unpack
from millrace.model_registry.register import Registrar, best
from millrace.model_registry.store import ModelStore
from tests.support.model_artifacts import ORG, RUN, archive, card, graph, packed
from tests.support.platform import ACME, GLOBEX, LAKE, Platform
from tests.support.registrations import ALGORITHMS, Broken, Stage, pressed, rows_of


@pytest.fixture
def stage(running: Platform, bundle: Any) -> Stage:
    return Stage(running, Registry(bundle))


def test_a_training_is_registered_once_however_often_it_is_registered(stage: Stage) -> None:
    first = stage.register()
    repeated = stage.register()
    assert [one.version for one in first] == [one.version for one in repeated]
    found = stage.store.versions(ACME, "fraud")
    assert [one.version for one in found] == ["00000003", "00000002", "00000001"]
    assert {one.algorithm for one in found} == set(ALGORITHMS)
    assert {one.status for one in found} == {"candidate"}
    chosen = best(first)
    assert chosen is not None
    assert chosen.algorithm == "gradient_boosting"
    for one in found:
        parsed, _, onnx = stage.files.read(one)
        assert parsed.algorithm == one.algorithm
        assert onnx == graph(one.algorithm)


def test_the_indexes_find_by_status_and_by_f1(stage: Stage) -> None:
    stage.register()
    stage.register(run="other-1", f1=0.9)
    for index, name, value, wanted in (
        ("modelType-status-index", "typeKey", "status", 6),
        ("performance-version-index", "performanceKey", "performance", 6),
    ):
        page = stage.running.dynamodb.query(
            TableName="MLModels",
            IndexName=index,
            KeyConditionExpression=f"{name} = :owner",
            ExpressionAttributeValues={":owner": {"S": f"{ACME}#fraud"}},
            ScanIndexForward=False,
        )
        assert len(page["Items"]) == wanted
        assert all(value in item for item in page["Items"])
    assert page["Items"][0]["performance"]["S"] == "0.920000"


def test_what_fails_a_gate_is_rejected_and_what_files_made_is_on_trial(stage: Stage) -> None:
    rejected = stage.register(recall=0.5)
    trial = stage.register(run="trial-1", data=f"file:{'a' * 64}")
    assert {one.status for one in rejected} == {"rejected"}
    assert {one.status for one in trial} == {"trial"}
    assert best(rejected) is best(trial) is None


def test_an_artifact_of_someone_else_is_refused(stage: Stage) -> None:
    mine = archive([card()])
    for given, says in (
        ({"org": GLOBEX, "model": "fraud", "run": RUN}, "is of org_acme"),
        ({"org": ORG, "model": "fraud", "run": "another"}, "not of"),
    ):
        with pytest.raises(ArtifactError, match=says):
            unpack(mine, **given)
    broken = packed(
        {
            "random_forest/model.json": b"{}",
            "random_forest/model.onnx": b"x",
            "evaluation.json": b'{"models": [{"name": "random_forest"}]}',
        }
    )
    for content, says in (
        (b"no archive", "cannot be read"),
        (mine[:100], "cannot be read"),
        (packed({"a": b""}), "no evaluation.json"),
        (packed({"evaluation.json": b"[]"}), "cannot be read"),
        (packed({"evaluation.json": b'{"models": [{"name": "random_forest"}]}'}), "is not complete"),
        (broken, "model.json has no"),
    ):
        with pytest.raises(ArtifactError, match=says):
            unpack(content, org=ORG, model="fraud", run=RUN)


def test_a_model_that_could_not_be_made_is_named_beside_the_others(stage: Stage) -> None:
    package = unpack(archive([card()], {"logistic_regression": "one class"}), org=ORG, model="fraud", run=RUN)
    found = Registrar(stage.store, stage.files, stage.tracker).register(package)
    assert [(one.name, one.status) for one in found] == [
        ("random_forest", "candidate"),
        ("logistic_regression", "failed"),
    ]
    assert found[1].to_json()["error"] == "one class"


class Later(Broken):
    """A client one of whose calls fails, but not the first ones of them."""

    def __init__(self, inner: Any, operation: str, *, after: bool, place: int) -> None:
        super().__init__(inner, operation, after=after)
        self.place = place

    def __getattr__(self, name: str) -> Any:
        if name == self._operation and self.place > 0:
            self.place -= 1
            return getattr(self._inner, name)
        return super().__getattr__(name)


def test_a_registration_that_broke_off_goes_on_where_it_was(stage: Stage) -> None:
    cases = product(("put_object", "transact_write_items"), (False, True), range(3))
    for number, (operation, after, place) in enumerate(cases):
        org = f"tenant-{number}"
        package = unpack(
            archive([card(name, org=org) for name in ALGORITHMS]), org=org, model="fraud", run=RUN
        )
        dynamodb, s3 = (
            Later(client, operation, after=after, place=place)
            for client in (stage.running.dynamodb, stage.running.s3)
        )
        registrar = Registrar(
            ModelStore(Table(dynamodb, "MLModels")), ArtifactFiles(Objects(s3, LAKE)), stage.tracker
        )
        with pytest.raises(RetryableError):
            registrar.register(package)
        registrar.register(package)
        found = stage.store.versions(org, "fraud")
        assert sorted(one.algorithm for one in found) == sorted(ALGORITHMS)
        assert [one.version for one in found] == ["00000003", "00000002", "00000001"]
        for one in found:
            stage.files.read(one)


def test_two_trainings_at_once_get_versions_of_their_own(stage: Stage) -> None:
    errors: list[Exception] = []

    def register(run: str) -> None:
        try:
            pressed(lambda: stage.register(run=run))
        except Exception as error:  # noqa: BLE001  shown by the assertion
            errors.append(error)

    threads = [threading.Thread(target=register, args=(f"run-{number % 3}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = stage.store.versions(ACME, "fraud")
    assert sorted((one.run, one.algorithm) for one in found) == sorted(
        (f"run-{number}", name) for number in range(3) for name in ALGORITHMS
    )
    for one in found:
        assert stage.files.read(one)[0].run_id == one.run


def test_rows_come_back_as_they_were(stage: Stage) -> None:
    stage.register()
    one = rows_of(stage, "00000001")
    assert rows.from_item(rows.to_item(one)) == one
    alias = stage.move("1", request_id="r", run="x").alias
    for changed in (alias, replace(alias, before="00000002", trail=("00000001", "00000002"), run=None)):
        assert rows.alias_from(rows.alias_item(changed)) == changed
