"""Artifacts in the lake: `models/<org>/<model>/<version>/`, written once and read back whole."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core.errors import error_code, from_client_error
from millrace.model_registry import artifact
from millrace.model_registry.artifact import ArtifactError, ModelCard
from millrace.model_registry.rows import Version

_MISSING = frozenset({"NoSuchKey", "404"})
_TAKEN = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})


class ArtifactFiles:
    """The two files of each version."""

    def __init__(self, s3: Any, bucket: str) -> None:
        """`bucket` is the lake's."""
        self._s3, self._bucket = s3, bucket

    def claim(self, org: str, model: str, version: str, card: bytes) -> bool:
        """Takes a version's folder by writing its `model.json`, unless that of another model is there.

        The write is a conditional one: two registrations never lay their files over each other's.

        Raises:
            MillraceError: the lake did not answer.
        """
        key = f"{artifact.prefix(org, model, version)}{artifact.CARD_FILE}"
        try:
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=card, ContentType="application/json", IfNoneMatch="*"
            )
        except (ClientError, BotoCoreError) as error:
            if error_code(getattr(error, "response", {})) in _TAKEN:
                # The same card names the same run: this is what an earlier attempt of it left.
                return self._read(key) == card
            raise from_client_error(error, "keep a model's card") from error
        return True

    def put_onnx(self, org: str, model: str, version: str, onnx: bytes) -> None:
        """Writes the graph into a folder that `claim` took.

        Raises:
            MillraceError: the lake did not answer.
        """
        key = f"{artifact.prefix(org, model, version)}{artifact.ONNX_FILE}"
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=onnx)
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "keep a model's graph") from error

    def read(self, one: Version) -> tuple[ModelCard, bytes, bytes]:
        """The card, its bytes and the graph of a version, each as it was registered.

        Raises:
            ArtifactError: a file is missing, or is not what was registered.
            MillraceError: the lake did not answer.
        """
        card = self._read(f"{one.artifact}{artifact.CARD_FILE}")
        if artifact.fingerprint(card) != one.card_sha256:
            raise ArtifactError(f"model.json of {one.model}/{one.version} is not what was registered")
        onnx = self._read(f"{one.artifact}{artifact.ONNX_FILE}")
        if artifact.fingerprint(onnx) != one.onnx_sha256:
            raise ArtifactError(f"model.onnx of {one.model}/{one.version} is not what was registered")
        parsed = artifact.read(card)
        artifact.verify(parsed, onnx)
        if (parsed.org, parsed.model) != (one.org, one.model):
            raise ArtifactError(f"the artifact is of {parsed.org}/{parsed.model}, not {one.org}/{one.model}")
        return parsed, card, onnx

    def _read(self, key: str) -> bytes:
        try:
            body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if error_code(getattr(error, "response", {})) in _MISSING:
                raise ArtifactError(f"{key} is not there") from error
            raise from_client_error(error, f"read {key}") from error
        return body
