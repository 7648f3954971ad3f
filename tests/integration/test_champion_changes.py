"""Changes of the champion: refused or made once, each with its event, whoever else changes it."""

import threading
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from millrace.contracts.registry import Registry
from millrace.core.errors import PermanentError, RetryableError
from millrace.features.views import FeatureViews
from millrace.model_registry.alias import ChangeRequest, RefusedChangeError
from millrace.model_registry.artifact import ArtifactError
from millrace.model_registry.register import best
from millrace.model_registry.rows import Version
from millrace.model_registry.store import ChampionChangedError
from tests.support.model_artifacts import RUN
from tests.support.platform import ACME, GLOBEX, LAKE, Platform
from tests.support.registrations import Broken, Stage, pressed, rows_of


@pytest.fixture
def stage(running: Platform, bundle: Any) -> Stage:
    return Stage(running, Registry(bundle))


def test_a_change_has_one_event_and_a_change_to_the_same_version_does_nothing(stage: Stage) -> None:
    stage.register()
    assert stage.store.alias(ACME, "fraud") is None
    assert stage.move("1", "deploy", run=RUN).status == "moved"
    assert stage.move("fraud/00000001").status == "unchanged"
    assert stage.move("3").alias.previous == "00000001"
    alias = stage.store.alias(ACME, "fraud")
    assert alias is not None
    assert (alias.version, alias.move, alias.announced) == ("00000003", 2, 2)
    assert alias.card_sha256 == rows_of(stage, "00000003").card_sha256
    assert stage.told() == [(1, "00000001", None), (2, "00000003", "00000001")]
    assert stage.tracker.champions == ["00000001", "00000003"]


def test_a_version_that_reads_a_view_that_is_not_online_does_not_serve(stage: Stage) -> None:
    stage.register()
    views = [stage.views.view(name) for name in stage.views.names()]
    read = "merchant_features"
    stage.views = FeatureViews(replace(view, online=view.name != read) for view in views)
    with pytest.raises(
        RefusedChangeError, match=f"cannot serve: {read} is not online.*schemas/features/{read}.yaml"
    ):
        stage.move("1", force=True)
    assert stage.store.alias(ACME, "fraud") is None
    stage.views = FeatureViews(views)
    assert stage.move("1").status == "moved"


def test_a_rollback_goes_back_step_by_step_and_says_when_there_is_none_left(stage: Stage) -> None:
    stage.register()
    with pytest.raises(RefusedChangeError, match="no champion"):
        stage.move("previous", "rollback")
    for version in ("1", "2", "3"):
        stage.move(version)
    assert stage.move("previous", "rollback").alias.version == "00000002"
    assert stage.move("previous", "rollback").alias.version == "00000001"
    with pytest.raises(RefusedChangeError, match="before fraud/00000001 none"):
        stage.move("previous", "rollback")
    assert stage.move("3").alias.previous == "00000001"
    assert [move for move, _, _ in stage.told()] == [1, 2, 3, 4, 5, 6]


def test_a_request_that_is_repeated_is_one_move(stage: Stage) -> None:
    """Whoever has lost the answer to a rollback asks again, and must not go back twice."""
    stage.register()
    for version in ("1", "2", "3"):
        stage.move(version)
    first = stage.move("previous", "rollback", request_id="r1")
    assert stage.move("previous", "rollback", request_id="r1").alias == first.alias
    assert stage.move("previous", "rollback", request_id="r2").alias.version == "00000001"


def test_what_is_not_to_be_deployed_needs_force(stage: Stage) -> None:
    stage.register(recall=0.5)
    stage.register(run="trial-1", data=f"file:{'a' * 64}")
    for version, says in (("1", "recall 0.500 is below 0.70"), ("4", "trained on files")):
        for reason in ("deploy", "promote"):
            with pytest.raises(RefusedChangeError, match=says):
                stage.move(version, reason)
        with pytest.raises(RefusedChangeError, match=says):
            stage.move(version, "deploy", force=True)
    assert stage.store.alias(ACME, "fraud") is None
    moved = stage.move("1", force=True)
    assert moved.alias.forced is True
    assert stage.told() == [(1, "00000001", None)]


def test_there_is_no_way_to_another_tenants_model(stage: Stage) -> None:
    stage.register(org=GLOBEX)
    for version in ("1", "9"):
        with pytest.raises(RefusedChangeError, match="org_acme has no version"):
            stage.move(version)
    for strange in ("alias#champion", "0", "-1", "0x1", "123456789"):
        with pytest.raises(RefusedChangeError, match="is not a version"):
            stage.move(strange)
    assert stage.store.versions(ACME, "fraud") == []
    assert stage.told(GLOBEX) == stage.told() == []


def test_an_artifact_that_was_altered_is_not_served(stage: Stage) -> None:
    stage.register()
    s3, one = stage.running.s3, rows_of(stage, "00000002")
    stage.move("1")
    for name, says in (("model.onnx", "model.onnx"), ("model.json", "model.json")):
        key = f"{one.artifact}{name}"
        kept = s3.get_object(Bucket=LAKE, Key=key)["Body"].read()
        s3.put_object(Bucket=LAKE, Key=key, Body=kept[:-2] + b"!\n")
        with pytest.raises(ArtifactError, match=says):
            stage.move("2")
        s3.delete_object(Bucket=LAKE, Key=key)
        with pytest.raises(ArtifactError, match="there is no"):
            stage.move("2")
        s3.put_object(Bucket=LAKE, Key=key, Body=kept)
    assert stage.told() == [(1, "00000001", None)]
    assert stage.move("2").status == "moved"


def test_of_two_changes_at_once_one_wins_and_the_other_fails(stage: Stage) -> None:
    stage.register()
    stage.move("1")

    class Between:
        """Somebody else moves while this mover reads its artifact."""

        def __init__(self) -> None:
            self.done = False

        def read(self, one: Version) -> Any:
            if not self.done:
                self.done = True
                stage.move("2")
            return stage.files.read(one)

    mover = stage.mover()
    mover._files = Between()  # type: ignore[assignment]
    with pytest.raises(ChampionChangedError, match="changed meanwhile"):
        mover.change(ChangeRequest(ACME, "fraud", "3", "promote", "tests"))
    alias = stage.store.alias(ACME, "fraud")
    assert alias is not None
    assert alias.version == "00000002"
    assert stage.told() == [(1, "00000001", None), (2, "00000002", "00000001")]


def test_the_next_change_appends_the_event_of_an_interrupted_one(stage: Stage) -> None:
    places = (("put_item", "store"), ("put_item", "events"), ("update_item", "store"))
    for number, ((operation, table), after, again) in enumerate(
        product(places, (False, True), (False, True))
    ):
        org = f"tenant-{number}"
        stage.register(org=org)
        stage.move("1", org=org)
        broken = Broken(stage.running.dynamodb, operation, after=after)
        with pytest.raises(RetryableError):
            stage.mover(**{table: broken}).change(ChangeRequest(org, "fraud", "2", "deploy", "tests"))
        assert broken.left == 0
        stage.move("2" if again else "3", org=org)
        result = stage.told(org)
        committed = after or (operation, table) != places[0]
        if again:
            assert result == [(1, "00000001", None), (2, "00000002", "00000001")]
        elif committed:
            assert result[1:] == [(2, "00000002", "00000001"), (3, "00000003", "00000002")]
        else:
            assert result[1:] == [(2, "00000003", "00000001")]
        alias = stage.store.alias(org, "fraud")
        assert alias is not None
        assert alias.announced == alias.move == len(result)


def test_concurrent_changes_are_numbered_without_a_gap_each_with_one_event(stage: Stage) -> None:
    stage.register()
    won: list[int] = []

    def crowd(version: str) -> None:
        for _ in range(4):
            try:
                moved = stage.move(version)
            except (ChampionChangedError, RetryableError):
                continue
            if moved.status == "moved":
                won.append(moved.alias.move)

    threads = [threading.Thread(target=crowd, args=(str(number % 3 + 1),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stage.move("1")
    stage.move("2")
    result = stage.told()
    assert [move for move, _, _ in result] == list(range(1, len(result) + 1))
    assert len(set(won)) == len(won)
    assert [version for _, version, _ in result][:-1] == [replaced for _, _, replaced in result][1:]


def test_two_trainings_at_once_deploy_one_after_the_other_and_nothing_is_lost(stage: Stage) -> None:
    def train(run: str) -> None:
        registered = pressed(lambda: stage.register(run=run))
        chosen = best(registered)
        assert chosen is not None
        # As the machine deploys, with its retries.
        pressed(lambda: stage.move(chosen.version, "deploy", run=run, request_id=run))

    threads = [threading.Thread(target=train, args=(f"run-{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = stage.store.versions(ACME, "fraud")
    assert len(found) == 6
    deployed = {one.run: one.version for one in found if one.algorithm == "gradient_boosting"}
    result = stage.told()
    assert [move for move, _, _ in result] == [1, 2]
    assert {version for _, version, _ in result} == set(deployed.values())
    alias = stage.store.alias(ACME, "fraud")
    assert alias is not None
    assert (alias.version, alias.previous) == (result[1][1], result[0][1])


def test_a_change_whose_event_is_invalid_is_not_made(stage: Stage) -> None:
    stage.register()
    with pytest.raises(PermanentError, match="movedBy"):
        stage.mover().change(ChangeRequest(ACME, "fraud", "1", "promote", ""))
    assert stage.store.alias(ACME, "fraud") is None
