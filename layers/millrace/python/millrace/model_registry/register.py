"""Registers what a training made: artifacts first, then their rows, then the log of experiments."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from millrace.core import clock
from millrace.core.errors import RetryableError
from millrace.model_registry import artifact
from millrace.model_registry.artifact import ModelCard
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.package import Package, Trained
from millrace.model_registry.rows import Status, Version
from millrace.model_registry.store import ModelStore

# Registrations of one tenant that come between reading the newest number and taking the next.
MOST_ATTEMPTS = 50
# Nobody tracks.
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
    """What became of a model; without a version, `error` says why there is none."""

    name: str
    status: Status | Literal["failed"]
    version: Version | None = None
    mlflow: str = OFF
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As answers carry it."""
        one = self.version
        found: dict[str, Any] = {
            "name": self.name,
            "version": one.version if one else None,
            "metrics": dict(one.metrics) if one else {},
            "gates": gates_json(one) if one else {},
            "status": self.status,
            "mlflow": self.mlflow,
        }
        return found if self.error is None else {**found, "error": self.error}


def gates_json(one: Version) -> dict[str, Any]:
    """Name of a gate → what it asks, what the model has, whether that passes."""
    return {
        str(gate["name"]): {name: gate[name] for name in ("least", "value", "passed")} for gate in one.gates
    }


def best(registered: list[Registered]) -> Version | None:
    """What may be deployed: the candidate with the best F1; None where there is no candidate."""
    candidates = [one.version for one in registered if one.status == "candidate" and one.version is not None]
    return max(candidates, key=lambda one: (one.metrics.get("f1", 0.0), one.version), default=None)


class Registrar:
    """Registers trainings; a training that is registered again finds its versions."""

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
        """One version a model, in the order of the package; then those of which there is none.

        Raises:
            MillraceError: a store did not answer; registering again goes on where this stopped.
        """
        found = []
        for trained in package.models:
            version = self._version(trained)
            said = OFF
            if self._tracker is not None:
                said = self._tracker.log(version, trained.card, trained.text, trained.onnx)
            found.append(Registered(version.algorithm, version.status, version, said))
        return found + [
            Registered(name, "failed", error=error) for name, error in sorted(package.failures.items())
        ]

    def _version(self, trained: Trained) -> Version:
        card = trained.card
        for _ in range(MOST_ATTEMPTS):
            stands = self._store.of_run(card.org, card.model, card.run_id, card.algorithm)
            if stands is not None:
                return stands
            number = self._claim(trained)
            version = _row(trained, number, clock.utc_text(self._now()))
            self._files.put_onnx(card.org, card.model, version.version, trained.onnx)
            if self._store.put(version):
                return version
        raise RetryableError(f"register {card.algorithm} of {card.run_id}: others were always first")

    def _claim(self, trained: Trained) -> int:
        """The next number whose folder is free, or already this model's."""
        card = trained.card
        number = self._store.newest(card.org, card.model)
        for _ in range(MOST_ATTEMPTS):
            number += 1
            if self._files.claim(card.org, card.model, artifact.version_name(number), trained.text):
                return number
        raise RetryableError(f"register {card.algorithm} of {card.run_id}: no number is free")


def _row(trained: Trained, number: int, at: str) -> Version:
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
