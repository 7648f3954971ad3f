"""Loading beside the batches, swapping when the alias moves, and what is served while something is wrong."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from millrace.core.errors import RetryableError
from millrace.features import views as feature_views
from millrace.features.rows import Marker
from millrace.features.views import FeatureViews
from millrace.model_registry.artifact import ArtifactError
from millrace.model_registry.files import Artifact
from millrace.model_registry.rows import Alias
from millrace.scoring.answer import ModelUnavailableError
from millrace.scoring.champion import Champion, Model
from millrace.scoring.champions import Champions
from tests.support import champions as made

ACME, GLOBEX = "org_acme", "org_globex"
PATIENT = 10.0


@pytest.fixture(scope="module")
def views(bundle: Path) -> FeatureViews:
    return feature_views.load(bundle)


class World:
    """A registry and a lake whose failures a test chooses, and a clock that it moves."""

    def __init__(self, views: FeatureViews) -> None:
        self.views = views
        self.aliases: dict[str, Alias] = {}
        self.lake: dict[str, Artifact] = {}
        self.calls: Counter[str] = Counter()
        self.failing: dict[str, BaseException] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.now = 0.0
        self.complete = datetime.now(UTC)
        self.warned: list[str] = []
        self.champions = Champions(self, self.warned.append, refresh_seconds=60, monotonic=lambda: self.now)

    def deploy(self, org: str = ACME, version: str = "00000001", **changed: object) -> None:
        held, card_sha256 = made.held(self.views, org=org, **changed)
        self.aliases[org] = made.alias(card_sha256, org=org, version=version)
        self.lake[self.aliases[org].artifact] = held

    def alias(self, org: str) -> Alias | None:
        self._ask("alias")
        return self.aliases.get(org)

    def load(self, alias: Alias) -> Champion:
        self._ask("load")
        assert self.gate.wait(PATIENT)
        model = Model(self.lake[alias.artifact], alias.card_sha256, org=alias.org, version=alias.version)
        return Champion(model, self.views)

    def markers(self, champion: Champion) -> dict[str, Marker | None]:
        self._ask("markers")
        return {
            source.view.name: made.mark(source.view, self.complete) for source in champion.columns.sources
        }

    def _ask(self, call: str) -> None:
        self.calls[call] += 1
        if call in self.failing:
            raise self.failing[call]

    def version(self, org: str = ACME, seconds: float = PATIENT) -> str | None:
        found = self.champions.of(org, seconds)
        return found.version if found else None

    def a_minute_later(self, org: str = ACME) -> None:
        """Lets the refresh that is due run to its end."""
        self.now += 60
        with suppress(ModelUnavailableError):
            self.champions.of(org, 0)
        self.settle(org)

    def settle(self, org: str = ACME) -> None:
        wait_for(lambda: self.champions._tenants[org].pending is None)


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENT
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture
def world(views: FeatureViews) -> World:
    return World(views)


def test_a_tenant_without_an_alias_has_no_model_and_its_alias_is_read_once_a_minute(world: World) -> None:
    for _ in range(50):
        assert world.version() is None
    assert world.calls == {"alias": 1}
    world.a_minute_later()
    assert world.version() is None
    assert world.calls == {"alias": 2}
    assert not world.warned


def test_a_champion_is_loaded_once_and_its_alias_read_once_a_minute(world: World) -> None:
    world.deploy()
    for _ in range(50):
        assert world.version() == "fraud/00000001"
    assert world.calls == {"alias": 1, "load": 1, "markers": 1}
    for _ in range(3):
        world.a_minute_later()
    assert world.version() == "fraud/00000001"
    assert world.calls == {"alias": 4, "load": 1, "markers": 4}


def test_a_moved_alias_is_served_without_a_new_process(world: World) -> None:
    world.deploy(version="00000001")
    assert world.version() == "fraud/00000001"
    world.deploy(version="00000002", bias=-3.0)
    assert world.version() == "fraud/00000001", "a minute has not passed"
    world.a_minute_later()
    assert world.version() == "fraud/00000002"
    world.deploy(version="00000001")
    world.a_minute_later()
    assert world.version() == "fraud/00000001", "rolled back"


def test_the_old_champion_answers_while_the_new_one_loads(world: World) -> None:
    world.deploy(version="00000001")
    assert world.version() == "fraud/00000001"
    world.deploy(version="00000002", bias=-3.0)
    world.gate.clear()
    world.now += 60
    for _ in range(20):
        started = time.monotonic()
        assert world.version(seconds=PATIENT) == "fraud/00000001"
        assert time.monotonic() - started < PATIENT / 2, "a batch is not kept waiting"
    world.gate.set()
    world.settle()
    assert world.version() == "fraud/00000002"
    assert world.calls["load"] == 2


def test_a_tenant_not_used_for_long_waits_for_the_present_champion(world: World) -> None:
    world.deploy(version="00000001")
    assert world.version() == "fraud/00000001"
    world.deploy(version="00000002", bias=-3.0)
    world.now += 3600
    assert world.version() == "fraud/00000002"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda held: held._replace(onnx=held.onnx[:-1] + b"!"),
        lambda held: held._replace(card=held.card + b" "),
        lambda held: held._replace(card=b"{}"),
    ],
)
def test_an_alias_moved_to_something_corrupt_leaves_the_old_one_serving(
    world: World, spoil: Callable[[Artifact], Artifact]
) -> None:
    world.deploy(version="00000001")
    assert world.version() == "fraud/00000001"
    world.deploy(version="00000002")
    folder = world.aliases[ACME].artifact
    sound = world.lake[folder]
    world.lake[folder] = spoil(sound)
    world.a_minute_later()
    assert world.version() == "fraud/00000001"
    assert "00000002" in world.warned[0]
    assert "fraud/00000001 goes on serving" in world.warned[0]
    world.lake[folder] = sound
    world.a_minute_later()
    assert world.version() == "fraud/00000002", "made whole, it serves"


def test_a_corrupt_champion_that_never_served_is_unavailable(world: World) -> None:
    world.deploy()
    world.lake[world.aliases[ACME].artifact] = Artifact(b"{}", b"")
    with pytest.raises(
        ModelUnavailableError, match=r"version 00000001 of org_acme: model\.json has the hash"
    ):
        world.version()
    loads = world.calls["load"]
    for _ in range(20):
        with suppress(ModelUnavailableError):
            world.version()
    assert world.calls["load"] == loads == 1, "not with every batch again"


@pytest.mark.parametrize(
    "error", [RetryableError("read models/…: timeout"), ArtifactError("gone"), OSError("disk")]
)
def test_a_lake_that_fails_is_tried_again(world: World, error: Exception) -> None:
    world.deploy()
    world.failing["load"] = error
    with pytest.raises(ModelUnavailableError, match=str(error)):
        world.version()
    del world.failing["load"]
    world.a_minute_later()
    assert world.version() == "fraud/00000001"


def test_a_slow_lake_costs_a_batch_its_budget_and_no_more_and_loading_goes_on(world: World) -> None:
    world.deploy()
    world.gate.clear()
    started = time.monotonic()
    with pytest.raises(ModelUnavailableError, match="being loaded"):
        world.version(seconds=0.05)
    assert 0.04 < time.monotonic() - started < 1
    world.gate.set()
    world.settle()
    assert world.version() == "fraud/00000001"
    assert world.calls["load"] == 1


def test_a_registry_that_does_not_answer_is_not_no_model(world: World) -> None:
    world.deploy()
    world.failing["alias"] = RetryableError("read a model: timeout")
    with pytest.raises(ModelUnavailableError, match="timeout"):
        world.version()
    del world.failing["alias"]
    world.a_minute_later()
    assert world.version() == "fraud/00000001"


@pytest.mark.parametrize("deployed", [True, False])
def test_a_registry_that_stops_answering_changes_nothing(world: World, deployed: bool) -> None:
    if deployed:
        world.deploy()
    before = world.version()
    world.failing["alias"] = RetryableError("read a model: timeout")
    for _ in range(3):
        world.a_minute_later()
        assert world.version() == before


def test_what_ends_a_refresh_thread_ends_the_batch_that_waits(world: World) -> None:
    """As anywhere else in a batch: a kill must not pass for a champion that cannot be had."""

    class KillError(BaseException):
        pass

    world.deploy()
    world.failing["load"] = KillError()
    with pytest.raises(KillError):
        world.version()
    world.failing.clear()
    world.a_minute_later()
    assert world.version() == "fraud/00000001"


def test_an_alias_that_is_taken_away_ends_the_serving(world: World) -> None:
    world.deploy()
    assert world.version()
    del world.aliases[ACME]
    world.a_minute_later()
    assert world.version() is None


def test_markers_that_cannot_be_read_run_out_by_themselves(world: World) -> None:
    world.deploy()
    champion = world.champions.of(ACME, PATIENT)
    assert champion is not None
    first = champion.known_until
    assert first == pytest.approx((world.complete + timedelta(days=1)).timestamp(), abs=0.01)
    world.failing["markers"] = RetryableError("timeout")
    world.complete += timedelta(hours=1)
    world.a_minute_later()
    assert champion.known_until == first
    world.failing.clear()
    world.a_minute_later()
    assert champion.known_until == first + 3600
    assert world.champions.of(ACME, PATIENT) is champion
    world.complete -= timedelta(days=3)
    world.a_minute_later()
    assert "has expired" in world.warned[-1]


def test_two_tenants_have_two_models(world: World) -> None:
    world.deploy(ACME, "00000007", bias=-4.0)
    world.deploy(GLOBEX, "00000002", bias=-2.0)
    assert (world.version(ACME), world.version(GLOBEX)) == ("fraud/00000007", "fraud/00000002")
    world.aliases[GLOBEX] = world.aliases[ACME]
    world.a_minute_later(GLOBEX)
    assert world.version(GLOBEX) == "fraud/00000002"


def test_another_tenants_artifact_is_never_served(world: World) -> None:
    world.deploy(ACME)
    stolen = world.aliases[ACME]
    world.aliases[GLOBEX] = made.alias(stolen.card_sha256, org=GLOBEX)
    world.lake[world.aliases[GLOBEX].artifact] = world.lake[stolen.artifact]
    with pytest.raises(ModelUnavailableError, match="of org_acme"):
        world.version(GLOBEX)


def test_seventeen_tenants_leave_sixteen_in_memory(world: World) -> None:
    for number in range(17):
        world.deploy(f"org_{number}")
        assert world.version(f"org_{number}") == "fraud/00000001"
    assert len(world.champions._tenants) == 16
    assert world.version("org_16")
    loads = world.calls["load"]
    assert world.version("org_1")
    assert world.calls["load"] == loads
    assert world.version("org_0"), "the one that was asked about longest ago is loaded again"
    assert world.calls["load"] == loads + 1
    assert "org_2" not in world.champions._tenants
