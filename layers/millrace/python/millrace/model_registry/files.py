"""Artifacts in the lake: `models/<org>/<model>/<version>/`, written once and read back whole."""

from typing import NamedTuple

from millrace.core.objects import Objects
from millrace.model_registry import artifact
from millrace.model_registry.artifact import ArtifactError, ModelCard
from millrace.model_registry.rows import Version

# A graph that is served row by row is kilobytes, a forest some megabytes. Beyond this it would not fit beside the rest.
MOST_BYTES = 256 * 1024 * 1024


class Artifact(NamedTuple):
    """The two files of a version, not yet verified."""

    card: bytes
    onnx: bytes


class ArtifactFiles:
    """The two files of each version."""

    def __init__(self, lake: Objects) -> None:
        """Makes no call."""
        self._lake = lake

    def claim(self, org: str, model: str, version: str, card: bytes) -> bool:
        """Takes a version's folder by writing its `model.json`, unless another model's is there.

        The write is conditional: two registrations never overwrite each other's files.

        Returns:
            False if another model has the folder.

        Raises:
            MillraceError: the lake did not answer.
        """
        key = f"{artifact.prefix(org, model, version)}{artifact.CARD_FILE}"
        if self._lake.put_new(key, card, content_type="application/json", doing="keep a model's card"):
            return True
        # The same card names the same run: an earlier attempt of that run left it.
        return self._read(key) == card

    def put_onnx(self, org: str, model: str, version: str, onnx: bytes) -> None:
        """Writes the graph into a folder that `claim` took.

        Raises:
            MillraceError: the lake did not answer.
        """
        key = f"{artifact.prefix(org, model, version)}{artifact.ONNX_FILE}"
        self._lake.put(key, onnx, doing="keep a model's graph")

    def load(self, folder: str) -> Artifact:
        """The card and the graph in a folder; the caller verifies them.

        Args:
            folder: a key that ends in `/`, as the model registry holds it.

        Raises:
            ArtifactError: a file is missing, or far too large.
            RetryableError: the lake did not answer.
        """
        return Artifact(self._read(folder + artifact.CARD_FILE), self._read(folder + artifact.ONNX_FILE))

    def read(self, one: Version) -> tuple[ModelCard, bytes, bytes]:
        """The card, its bytes and the graph of a version, each as it was registered.

        Raises:
            ArtifactError: a file is missing, or is not what was registered.
            MillraceError: the lake did not answer.
        """
        card, onnx = self.load(one.artifact)
        if artifact.fingerprint(card) != one.card_sha256:
            raise ArtifactError(f"model.json of {one.model}/{one.version} is not what was registered")
        if artifact.fingerprint(onnx) != one.onnx_sha256:
            raise ArtifactError(f"model.onnx of {one.model}/{one.version} is not what was registered")
        parsed = artifact.read(card)
        artifact.verify(parsed, onnx)
        if (parsed.org, parsed.model) != (one.org, one.model):
            raise ArtifactError(f"the artifact is of {parsed.org}/{parsed.model}, not {one.org}/{one.model}")
        return parsed, card, onnx

    def _read(self, key: str) -> bytes:
        stored = self._lake.open(key)
        if stored is None:
            raise ArtifactError(f"there is no {key}")
        if stored.size > MOST_BYTES:
            raise ArtifactError(f"{key} has {stored.size} bytes")
        return stored.read()
