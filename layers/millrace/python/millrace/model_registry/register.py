"""Registers the models of a training: artifacts first, then their rows, then the log of experiments."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from millrace.core import clock
from millrace.core.errors import RetryableError
from millrace.model_registry import artifact
from millrace.model_registry.artifact import ModelCard
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.package import Package, PackagedModel
from millrace.model_registry.rows import Status, Version
from millrace.model_registry.store import ModelStore

# How often another registration of the tenant may take the next number first.
MOST_ATTEMPTS = 50
# Characters of why an algorithm failed: a training's results have to fit the state of a machine.
LONGEST_ERROR = 300
# There is no tracking server.
OFF = "off"


class Tracker(Protocol):
    """Where experiments are logged."""

    def log(self, version: Version, card: ModelCard, text: bytes, onnx: bytes) -> str:
        """Logs a version, once.

        Returns:
            `logged`, or a warning that names what could not be reached; it never raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class Registered:
    """A model's registration; without a version, `error` is the reason."""

    name: str
    status: Status | Literal["failed"]
    version: Version | None = None
    mlflow: str = OFF
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As answers carry it."""
        one = self.version
        document: dict[str, Any] = {
            "name": self.name,
            "version": one.version if one else None,
            "metrics": dict(one.metrics) if one else {},
            "gates": gates_json(one) if one else {},
            "status": self.status,
            "mlflow": self.mlflow,
        }
        return document if self.error is None else {**document, "error": self.error}


def gates_json(one: Version) -> dict[str, Any]:
    """Name of a gate → the least value, the model's value, and whether it passes."""
    return {
        str(gate["name"]): {name: gate[name] for name in ("least", "value", "passed")} for gate in one.gates
    }


def best(registered: list[Registered]) -> Version | None:
    """The version to deploy: the candidate with the best F1; None where there is no candidate."""
    candidates = [one.version for one in registered if one.status == "candidate" and one.version is not None]
    return max(candidates, key=lambda one: (one.metrics.get("f1", 0.0), one.version), default=None)


class Registrar:
    """Registers trainings; a retry of a registration finds its versions."""

    def __init__(
        self,
        store: ModelStore,
        files: ArtifactFiles,
        tracker: Tracker | None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """Rows, artifacts, and where experiments are logged."""
        self._store, self._files, self._tracker, self._now = store, files, tracker, now

    def register(self, package: Package) -> list[Registered]:
        """One version for each model, in the order of the package; then the algorithms that failed.

        Raises:
            MillraceError: a store did not answer; a retry continues where this stopped.
        """
        registered = []
        for trained in package.models:
            version = self._version(trained)
            tracked = OFF
            if self._tracker is not None:
                tracked = self._tracker.log(version, trained.card, trained.text, trained.onnx)
            registered.append(Registered(version.algorithm, version.status, version, tracked))
        return registered + [
            Registered(name, "failed", error=error[:LONGEST_ERROR])
            for name, error in sorted(package.failures.items())
        ]

    def _version(self, trained: PackagedModel) -> Version:
        card = trained.card
        for _ in range(MOST_ATTEMPTS):
            existing = self._store.of_run(card.org, card.model, card.run_id, card.algorithm)
            if existing is not None:
                return existing
            number = self._claim(trained)
            version = _row(trained, number, clock.utc_text(self._now()))
            self._files.put_onnx(card.org, card.model, version.version, trained.onnx)
            if self._store.put(version):
                return version
        raise RetryableError(f"register {card.algorithm} of {card.run_id}: others were always first")

    def _claim(self, trained: PackagedModel) -> int:
        """The next number whose folder is free, or already this model's."""
        card = trained.card
        number = self._store.newest(card.org, card.model)
        for _ in range(MOST_ATTEMPTS):
            number += 1
            if self._files.claim(card.org, card.model, artifact.version_name(number), trained.text):
                return number
        raise RetryableError(f"register {card.algorithm} of {card.run_id}: no number is free")


def _row(trained: PackagedModel, number: int, at: str) -> Version:
    card = trained.card
    version = artifact.version_name(number)
    status: Status = "rejected" if not card.passed else "candidate" if card.data == "lake" else "trial"
    return Version(
        org=card.org,
        model=card.model,
        version=version,
        algorithm=card.algorithm,
        status=status,
        run=card.run_id,
        registered_at=at,
        card_sha256=artifact.fingerprint(trained.text),
        onnx_sha256=card.onnx_sha256,
        artifact=artifact.prefix(card.org, card.model, version),
        metrics=dict(card.metrics),
        gates=tuple(asdict(gate) for gate in card.gates),
        data=card.data,
        sources=dict(card.sources),
        code_version=card.code_version,
    )
