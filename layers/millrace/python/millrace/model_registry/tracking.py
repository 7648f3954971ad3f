"""Experiments in MLflow: a run for each version, a registered model for those that may be deployed, and the champion as its alias.

MLflow is a log beside the model registry, and the platform reads none of it: when it does not answer, the result is a warning and
nothing else changes. Every step here can be repeated, so that a later call logs what is missing.
"""

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from millrace.core import clock
from millrace.model_registry import mlflow_model
from millrace.model_registry.artifact import ModelCard
from millrace.model_registry.rows import Version

LOGGED = "logged"
# The server is probed first: the client alone would try for minutes.
PROBE_SECONDS = 2.0
REQUEST_SECONDS = 10
# After a failure the server is not tried for this long: three models must not wait three times.
SILENCE_SECONDS = 30.0
VERSION_TAG = "millrace.version"
# Identifies a version: a new deployment of the platform counts its versions from 1 again.
CARD_TAG = "millrace.card"
CHAMPION = "champion"


class MlflowTracker:
    """Logs to an MLflow server, or to a serverless MLflow App by its ARN."""

    def __init__(
        self,
        uri: str,
        environment: str,
        connect: Callable[[str], Any] | None = None,
        probe: Callable[[str], str | None] | None = None,
    ) -> None:
        """Makes no call.

        Args:
            uri: `http://…`, or the ARN of an App (which the plugin sagemaker-mlflow understands).
            environment: such as `prod`; part of every name.
            connect: makes a client; None makes MLflow's own.
            probe: returns why the server is not available, or None; without it `/health` is requested.
        """
        self._uri, self._environment = uri, environment
        self._connect, self._probe = connect or _client, probe or _health
        self._made: Any = None
        self._silent_until = 0.0
        self._why = ""

    def log(self, version: Version, card: ModelCard, text: bytes, onnx: bytes) -> str:
        """Logs a version unless it is logged; `logged`, or a warning."""

        def log(client: Any) -> None:
            run = self._logged(client, version, card, text, onnx)
            if version.status == "candidate":
                self._registered(client, run, version)

        return self._try(log)

    def champion(self, version: Version, card: ModelCard, text: bytes, onnx: bytes) -> str:
        """Gives a version the alias `champion`, after it was logged and registered where that is missing; `logged`, or a warning."""

        def change(client: Any) -> None:
            number = self._registered(client, self._logged(client, version, card, text, onnx), version)
            client.set_registered_model_alias(self._name(version), CHAMPION, number)

        return self._try(change)

    def _try(self, call: Callable[[Any], None]) -> str:
        if time.monotonic() < self._silent_until:
            return self._why
        try:
            why = self._probe(self._uri)
            if why is None:
                call(self._client())
                return LOGGED
        except Exception as error:  # noqa: BLE001  whatever the client raises, the platform's own registry is right
            why = f"{type(error).__name__}: {error}"
        self._silent_until = time.monotonic() + SILENCE_SECONDS
        self._why = f"not logged: MLflow at {self._uri}: {why[:300]}"
        return self._why

    def _logged(self, client: Any, version: Version, card: ModelCard, text: bytes, onnx: bytes) -> Any:
        """The version's run, complete."""
        experiment = self._experiment(client, f"millrace-{self._environment}/{version.org}/{version.model}")
        run = self._run(client, experiment, version)
        if run.info.status != "FINISHED":
            run_id = run.info.run_id
            self._fill(client, run_id, version, card)
            with tempfile.TemporaryDirectory() as folder:
                for name, content in mlflow_model.files(version, card, text, onnx, run_id).items():
                    path = Path(folder) / name
                    path.write_bytes(content)
                    client.log_artifact(run_id, str(path), mlflow_model.FOLDER)
            client.set_terminated(run_id, "FINISHED")
        return run

    def _client(self) -> Any:
        if self._made is None:
            self._made = self._connect(self._uri)
        return self._made

    @staticmethod
    def _experiment(client: Any, name: str) -> str:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            # Another registration may create it at this moment.
            with contextlib.suppress(Exception):
                client.create_experiment(name)
            experiment = client.get_experiment_by_name(name)
        return str(experiment.experiment_id)

    @staticmethod
    def _run(client: Any, experiment: str, version: Version) -> Any:
        name = f"{version.model}/{version.version}"
        runs = client.search_runs([experiment], filter_string=f"tags.`{CARD_TAG}` = '{version.card_sha256}'")
        if runs:
            return runs[0]
        tags = {
            VERSION_TAG: name,
            "millrace.run": version.run,
            "millrace.org": version.org,
            "millrace.status": version.status,
            "millrace.code": version.code_version,
            CARD_TAG: version.card_sha256,
        }
        started = clock.parse(version.registered_at)
        return client.create_run(
            experiment,
            start_time=clock.epoch(started) * 1000,
            tags=tags,
            run_name=f"{name} {version.algorithm}",
        )

    @staticmethod
    def _fill(client: Any, run_id: str, version: Version, card: ModelCard) -> None:
        # With a fixed timestamp a retry logs the same rows.
        at = clock.epoch(clock.parse(version.registered_at)) * 1000
        params: dict[str, Any] = {
            "algorithm": card.algorithm,
            "threshold": card.threshold,
            "features": len(card.features),
            "train": "…".join(card.split.train),
            "test": "…".join(card.split.test),
            "trainRows": card.rows.train,
            "testRows": card.rows.test,
            "data": card.data,
        }
        for name, value in params.items():
            client.log_param(run_id, name, value)
        for name, value in card.metrics.items():
            client.log_metric(run_id, name, value, timestamp=at, step=0)
        for gate in card.gates:
            client.set_tag(run_id, f"gate.{gate.name}", "passed" if gate.passed else f"below {gate.least}")

    def _name(self, version: Version) -> str:
        return f"millrace-{self._environment}-{version.org}-{version.model}"

    def _registered(self, client: Any, run: Any, version: Version) -> str:
        """The version's number in MLflow's registry, where it is registered once."""
        name = self._name(version)
        with contextlib.suppress(Exception):
            # It exists from the second version on.
            client.create_registered_model(name)
        for logged in client.search_model_versions(f"name = '{name}'"):
            if logged.tags.get(CARD_TAG) == version.card_sha256:
                return str(logged.version)
        tags = {VERSION_TAG: f"{version.model}/{version.version}", CARD_TAG: version.card_sha256}
        source = f"{run.info.artifact_uri}/{mlflow_model.FOLDER}"
        return str(client.create_model_version(name, source, run.info.run_id, tags=tags).version)


def tracker(uri: str, environment: str) -> MlflowTracker | None:
    """The tracker of an environment; None without a URI."""
    return MlflowTracker(uri, environment) if uri else None


def _health(uri: str) -> str | None:
    if not uri.startswith("http"):
        return None
    import urllib3  # noqa: PLC0415  only where there is a server

    try:
        answer = urllib3.request("GET", f"{uri}/health", timeout=PROBE_SECONDS, retries=False)
    except urllib3.exceptions.HTTPError as error:
        return f"it does not answer ({type(error).__name__})"
    return None if answer.status < 400 else f"it answers {answer.status}"


def _client(uri: str) -> Any:
    # Before the import: otherwise it reports its usage.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(REQUEST_SECONDS))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    import mlflow  # noqa: PLC0415  a second of a cold start

    # The plugin for Apps reads the URI here, and warns at every call when it is not an ARN.
    mlflow.set_tracking_uri(uri)
    logging.getLogger("mlflow.tracking.request_header.registry").setLevel(logging.ERROR)
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
