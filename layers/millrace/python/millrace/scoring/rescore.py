"""What a registered version once said, said again: for decisions that are derived from their records."""

from collections.abc import Callable

from millrace.core.errors import PermanentError
from millrace.model_registry.rows import version_named
from millrace.model_registry.store import ModelStore, need
from millrace.scoring.answer import MODEL, version_text
from millrace.scoring.champion import Model
from millrace.scoring.lake import ArtifactStore


class RegisteredModels:
    """Versions by tenant and number, loaded once, each proven by the hash that its row in MLModels has."""

    def __init__(self, models: ModelStore, artifacts: ArtifactStore) -> None:
        self._models, self._artifacts = models, artifacts
        self._loaded: dict[tuple[str, str], Model] = {}

    def of(self, org: str) -> Callable[[str, bytes], float | None]:
        """What `fraud.derive` asks: (`fraud/00000003`, the recorded row) → the served score.

        What it returns raises a PermanentError for a version that is not registered, is not what was registered, or takes
        no such row, and a RetryableError when a store does not answer.
        """
        return lambda version, inputs: self._model(org, version).again(inputs)

    def _model(self, org: str, version: str) -> Model:
        found = self._loaded.get((org, version))
        if found is None:
            digits = version_named(version)
            if version != version_text(digits):
                raise PermanentError(f"{version!r} is no version of {MODEL}")
            row = need(self._models, org, MODEL, digits)
            held = self._artifacts.read(row.artifact)
            found = Model(held, row.card_sha256, org=org, version=digits)
            self._loaded[org, version] = found
        return found
