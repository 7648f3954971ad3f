"""Experiments: logged once, finished where they broke off, and never in the registry's way."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from millrace.model_registry import register, tracking
from millrace.model_registry.artifact import ModelCard
from millrace.model_registry.package import PackagedModel, unpack
from millrace.model_registry.rows import Version
from millrace.model_registry.tracking import MlflowTracker
from tests.support.model_artifacts import ORG, RUN, archive, card


@dataclass
class Named:
    """What MLflow's client answers with: attributes."""

    run_id: str = ""
    status: str = "RUNNING"
    artifact_uri: str = ""
    experiment_id: str = ""
    version: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def info(self) -> "Named":
        return self


class Mlflow:
    """A server in memory, in the calls of MlflowClient that are used. `breaks`: the call that fails, once."""

    def __init__(self) -> None:
        self.experiments: list[str] = []
        self.runs: dict[str, Named] = {}
        self.params: dict[str, dict[str, Any]] = {}
        self.metrics: dict[str, set[tuple[str, float, int, int]]] = {}
        self.artifacts: dict[str, dict[str, bytes]] = {}
        self.models: dict[str, list[Named]] = {}
        self.aliases: dict[str, tuple[str, str]] = {}
        self.breaks = ""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if callable(found) and not name.startswith("_") and super().__getattribute__("breaks") == name:
            self.breaks = ""
            raise ConnectionError(f"{name} broke")
        return found

    def get_experiment_by_name(self, name: str) -> Named | None:
        return Named(experiment_id=name) if name in self.experiments else None

    def create_experiment(self, name: str) -> None:
        if name in self.experiments:
            raise ValueError("it is there")
        self.experiments.append(name)

    def search_runs(self, experiments: list[str], filter_string: str) -> list[Named]:
        wanted = filter_string.split("'")[1]
        return [run for run in self.runs.values() if run.tags["millrace.card"] == wanted]

    def create_run(self, experiment: str, *, start_time: int, tags: dict[str, str], run_name: str) -> Named:
        run = Named(
            run_id=f"r{len(self.runs)}", artifact_uri=f"mlflow-artifacts:/r{len(self.runs)}", tags=tags
        )
        self.runs[run.run_id] = run
        self.params[run.run_id], self.metrics[run.run_id], self.artifacts[run.run_id] = {}, set(), {}
        return run

    def log_param(self, run: str, name: str, value: Any) -> None:
        if self.params[run].setdefault(name, value) != value:
            raise ValueError("a parameter changes")

    def log_metric(self, run: str, name: str, value: float, *, timestamp: int, step: int) -> None:
        self.metrics[run].add((name, value, timestamp, step))

    def set_tag(self, run: str, name: str, value: str) -> None:
        self.runs[run].tags[name] = value

    def log_artifact(self, run: str, path: str, folder: str) -> None:
        self.artifacts[run][f"{folder}/{Path(path).name}"] = Path(path).read_bytes()

    def set_terminated(self, run: str, status: str) -> None:
        self.runs[run].status = status

    def create_registered_model(self, name: str) -> None:
        if name in self.models:
            raise ValueError("it is there")
        self.models[name] = []

    def search_model_versions(self, filter_string: str) -> list[Named]:
        return self.models[filter_string.split("'")[1]]

    def create_model_version(self, name: str, source: str, run: str, *, tags: dict[str, str]) -> Named:
        number = str(len(self.models[name]) + 1)
        self.models[name].append(Named(run_id=run, artifact_uri=source, tags=tags, version=number))
        return self.models[name][-1]

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        self.aliases[name] = (alias, version)


def tracker(server: Mlflow, why: str | None = None) -> MlflowTracker:
    return MlflowTracker("http://127.0.0.1:5500", "local", lambda _: server, lambda _: why)


def trained(made: ModelCard, number: int = 1) -> tuple[Version, PackagedModel]:
    (found,) = unpack(archive([made]), org=ORG, model="fraud", run=RUN).models
    return register._row(found, number, "2026-11-22T03:00:00.000Z"), found


def log(tracking_: MlflowTracker, made: ModelCard, number: int = 1) -> str:
    version, found = trained(made, number)
    return tracking_.log(version, found.card, found.text, found.onnx)


def test_a_version_is_a_run_and_what_may_be_deployed_a_model(bundle: object) -> None:
    server = Mlflow()
    assert log(tracker(server), card()) == "logged"
    assert log(tracker(server), card("logistic_regression", recall=0.2), 2) == "logged"
    assert server.experiments == ["millrace-local/org_acme/fraud"]
    first, second = server.runs.values()
    assert (first.status, second.status) == ("FINISHED", "FINISHED")
    assert first.tags["millrace.version"] == "fraud/00000001"
    assert second.tags["gate.recall"] == "below 0.7"
    assert ("f1", 0.86, 1795316400000, 0) in server.metrics[first.run_id]
    assert set(server.artifacts[first.run_id]) == {
        f"model/{name}"
        for name in ("MLmodel", "model.json", "model.onnx", "python_env.yaml", "requirements.txt")
    }
    (model,) = server.models["millrace-local-org_acme-fraud"]
    assert (model.run_id, model.artifact_uri) == (first.run_id, "mlflow-artifacts:/r0/model")


def test_logged_again_nothing_changes() -> None:
    server = Mlflow()
    for _ in range(2):
        assert log(tracker(server), card()) == "logged"
    assert len(server.runs) == 1
    assert len(server.models["millrace-local-org_acme-fraud"]) == 1


def test_the_same_number_of_a_platform_that_was_begun_anew_is_another_version() -> None:
    server = Mlflow()
    assert log(tracker(server), card()) == "logged"
    assert log(tracker(server), card(f1=0.9)) == "logged"
    assert len(server.runs) == 2
    assert len(server.models["millrace-local-org_acme-fraud"]) == 2


def test_the_champion_is_an_alias_of_what_is_registered() -> None:
    server = Mlflow()
    logging_ = tracker(server)
    # The second one did not pass, and was promoted by force: it is registered by that.
    for made, number in ((card(), 1), (card("logistic_regression", recall=0.2), 2), (card(), 1)):
        version, found = trained(made, number)
        assert logging_.champion(version, found.card, found.text, found.onnx) == "logged"
        assert server.aliases == {"millrace-local-org_acme-fraud": ("champion", str(number))}
    assert [one.tags["millrace.version"] for one in server.models["millrace-local-org_acme-fraud"]] == [
        "fraud/00000001",
        "fraud/00000002",
    ]
    server.breaks = "set_registered_model_alias"
    version, found = trained(card())
    result = logging_.champion(version, found.card, found.text, found.onnx)
    assert result.endswith("ConnectionError: set_registered_model_alias broke")


def test_a_graph_that_cannot_be_read_is_a_warning() -> None:
    version, found = trained(card())
    result = tracker(Mlflow()).log(version, found.card, found.text, b"no graph")
    assert result.endswith("ArtifactError: model.onnx is not an ONNX graph")


@pytest.mark.parametrize(
    "call",
    [
        "search_runs",
        "create_run",
        "log_param",
        "log_metric",
        "set_tag",
        "log_artifact",
        "set_terminated",
        "search_model_versions",
        "create_model_version",
    ],
)
def test_what_broke_off_is_finished_by_the_next(call: str) -> None:
    server = Mlflow()
    server.breaks = call
    assert log(tracker(server), card()) == (
        f"not logged: MLflow at http://127.0.0.1:5500: ConnectionError: {call} broke"
    )
    assert log(tracker(server), card()) == "logged"
    (run,) = server.runs.values()
    assert run.status == "FINISHED"
    assert len(server.artifacts[run.run_id]) == 5
    assert len(server.metrics[run.run_id]) == 4
    assert len(server.models["millrace-local-org_acme-fraud"]) == 1


def test_a_server_that_is_down_is_named_and_not_retried_at_once() -> None:
    requests: list[str] = []

    def probe(uri: str) -> str:
        requests.append(uri)
        return "it does not answer"

    down = MlflowTracker("http://127.0.0.1:5500", "local", lambda _: Mlflow(), probe)
    said = {
        log(down, card(name), number)
        for number, name in enumerate(("random_forest", "logistic_regression"), 1)
    }
    assert said == {"not logged: MLflow at http://127.0.0.1:5500: it does not answer"}
    assert len(requests) == 1


def test_without_a_uri_there_is_no_tracker() -> None:
    assert tracking.tracker("", "dev") is None
    assert isinstance(
        tracking.tracker("arn:aws:sagemaker:eu-west-1:1:mlflow-app/app-X", "dev"), MlflowTracker
    )
    # An App has no health to ask for.
    assert tracking._health("arn:aws:sagemaker:eu-west-1:1:mlflow-app/app-X") is None
