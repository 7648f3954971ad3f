"""The registry on its stores: versions are there once, the champion moves once a move, and each move is told of once."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError

from millrace.contracts.registry import Registry
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.emit import Emitter
from millrace.model_registry import rows
from millrace.model_registry.alias import ChampionAlias, ChangeRequest, RefusedChangeError
from millrace.model_registry.artifact import ArtifactError, ModelCard
from millrace.model_registry.champion_events import EVENT_TYPE, ChampionEvents
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.package import unpack
from millrace.model_registry.register import Registered, Registrar, best
from millrace.model_registry.rows import Version
from millrace.model_registry.store import ChampionChangedError, ModelStore
from tests.support.model_artifacts import ORG, RUN, archive, card, graph, packed
from tests.support.platform import ACME, GLOBEX, LAKE, Platform

Result = TypeVar("Result")
ALGORITHMS = ("logistic_regression", "random_forest", "gradient_boosting")


@dataclass
class Silent:
    """A tracker that only counts."""

    seen: list[str] = field(default_factory=list)

    def log(self, version: Version, card: ModelCard, text: bytes, onnx: bytes) -> str:
        self.seen.append(version.version)
        return "logged"


class Broken:
    """A client one of whose calls fails, before or after its effect, so many times."""

    def __init__(self, inner: Any, operation: str, *, after: bool = False, times: int = 1) -> None:
        self._inner, self._operation, self._after, self.left = inner, operation, after, times

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._inner, name)
        if name != self._operation:
            return real

        def call(**given: Any) -> Any:
            if self.left == 0:
                return real(**given)
            self.left -= 1
            if self._after:
                real(**given)
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": "broken"}}, name)

        return call


class Locked:
    """A client one of whose calls runs at a time: moto's stores are no stores of threads, the calls still interleave."""

    _one = threading.Lock()

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._inner, name)

        def call(**given: Any) -> Any:
            with self._one:
                return real(**given)

        return call


def pressed(work: Callable[[], Result]) -> Result:
    """What is done once nobody else is in its way."""
    while True:
        try:
            return work()
        except RetryableError:
            continue


class Stage:
    """The registry of a platform."""

    def __init__(self, running: Platform, bundle: Registry) -> None:
        self.running, self.bundle = running, bundle
        self.dynamodb: Any = Locked(running.dynamodb)
        self.store = ModelStore(Table(self.dynamodb, "MLModels"))
        self.files = ArtifactFiles(Objects(Locked(running.s3), LAKE))
        self.tracker = Silent()
        self.moment = datetime(2026, 11, 22, 3, tzinfo=UTC)

    def register(self, *, org: str = ACME, run: str = RUN, f1: float = 0.86, **more: Any) -> list[Registered]:
        cards = [
            card(name, org=org, run=run, f1=f1 + place / 100, **more) for place, name in enumerate(ALGORITHMS)
        ]
        return Registrar(self.store, self.files, self.tracker).register(
            unpack(archive(cards), org=org, model="fraud", run=run)
        )

    def mover(self, *, store: Any = None, events: Any = None) -> ChampionAlias:
        def now() -> datetime:
            self.moment += timedelta(seconds=1)
            return self.moment

        table = TableAppender(events or self.dynamodb, "Events")
        return ChampionAlias(
            ModelStore(Table(store, "MLModels")) if store is not None else self.store,
            self.files,
            ChampionEvents(Emitter(self.bundle, Appender({"table": table}))),
            now,
        )

    def move(self, to: str, reason: rows.Reason = "promote", *, org: str = ACME, **more: Any) -> Any:
        return self.mover().change(ChangeRequest(org, "fraud", to, reason, "tests", **more))

    def told(self, org: str = ACME) -> list[tuple[int, str, str | None]]:
        """Move, version and what it replaces, of each event of the tenant."""
        query = {"eventType": EVENT_TYPE, "from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
        items = self.running.get("/v1/events", org=org, query=query)["body"]["items"]
        payloads = [item["data"]["payload"] for item in items]
        return sorted((one["move"], one["version"], one.get("replaces")) for one in payloads)


@pytest.fixture
def stage(running: Platform, bundle: Any) -> Stage:
    return Stage(running, Registry(bundle))


def test_a_training_is_registered_once_however_often_it_is_registered(stage: Stage) -> None:
    first = stage.register()
    again = stage.register()
    assert [one.version for one in first] == [one.version for one in again]
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
        (packed({"evaluation.json": b'{"models": [{"name": "random_forest"}]}'}), "no whole artifact"),
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


def rows_of(stage: Stage, version: str) -> Version:
    found = stage.store.version(ACME, "fraud", version)
    assert found is not None
    return found


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
    first = stage.move("previous", "rollback", request="r1")
    assert stage.move("previous", "rollback", request="r1").alias == first.alias
    assert stage.move("previous", "rollback", request="r2").alias.version == "00000001"


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
        with pytest.raises(RefusedChangeError, match="is no version"):
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
        told = stage.told(org)
        landed = after or (operation, table) != places[0]
        if again:
            assert told == [(1, "00000001", None), (2, "00000002", "00000001")]
        elif landed:
            assert told[1:] == [(2, "00000002", "00000001"), (3, "00000003", "00000002")]
        else:
            assert told[1:] == [(2, "00000003", "00000001")]
        alias = stage.store.alias(org, "fraud")
        assert alias is not None
        assert alias.announced == alias.move == len(told)


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
    told = stage.told()
    assert [move for move, _, _ in told] == list(range(1, len(told) + 1))
    assert len(set(won)) == len(won)
    assert [version for _, version, _ in told][:-1] == [replaced for _, _, replaced in told][1:]


def test_two_trainings_at_once_deploy_one_after_the_other_and_nothing_is_lost(stage: Stage) -> None:
    def train(run: str) -> None:
        registered = pressed(lambda: stage.register(run=run))
        chosen = best(registered)
        assert chosen is not None
        # As the machine deploys, with its retries.
        pressed(lambda: stage.move(chosen.version, "deploy", run=run, request=run))

    threads = [threading.Thread(target=train, args=(f"run-{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = stage.store.versions(ACME, "fraud")
    assert len(found) == 6
    deployed = {one.run: one.version for one in found if one.algorithm == "gradient_boosting"}
    told = stage.told()
    assert [move for move, _, _ in told] == [1, 2]
    assert {version for _, version, _ in told} == set(deployed.values())
    alias = stage.store.alias(ACME, "fraud")
    assert alias is not None
    assert (alias.version, alias.previous) == (told[1][1], told[0][1])


def test_a_change_whose_event_is_invalid_is_not_made(stage: Stage) -> None:
    stage.register()
    with pytest.raises(PermanentError, match="movedBy"):
        stage.mover().change(ChangeRequest(ACME, "fraud", "1", "promote", ""))
    assert stage.store.alias(ACME, "fraud") is None


def test_rows_come_back_as_they_were(stage: Stage) -> None:
    stage.register()
    one = rows_of(stage, "00000001")
    assert rows.from_item(rows.to_item(one)) == one
    alias = stage.move("1", request="r", run="x").alias
    for changed in (alias, replace(alias, before="00000002", trail=("00000001", "00000002"), run=None)):
        assert rows.alias_from(rows.alias_item(changed)) == changed
