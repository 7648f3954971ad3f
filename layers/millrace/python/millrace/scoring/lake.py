"""Artifacts in the lake, read whole."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core.errors import error_code, from_client_error
from millrace.model_registry.artifact import CARD_FILE, ONNX_FILE, ArtifactError
from millrace.scoring.champion import Artifact

# A graph that is served row by row is kilobytes, a forest some megabytes. Beyond this it would not fit beside the rest.
MOST_BYTES = 256 * 1024 * 1024


class ArtifactStore:
    """`models/<org>/<model>/<version>/` of the lake."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def read(self, folder: str) -> Artifact:
        """The card and the graph of a version.

        Args:
            folder: a key that ends in `/`, as the registry says.

        Raises:
            ArtifactError: one of them is not there, or far too large.
            RetryableError: the lake did not answer.
        """
        return Artifact(self._object(folder + CARD_FILE), self._object(folder + ONNX_FILE))

    def _object(self, key: str) -> bytes:
        try:
            found = self._s3.get_object(Bucket=self._bucket, Key=key)
            if found["ContentLength"] > MOST_BYTES:
                raise ArtifactError(f"{key} has {found['ContentLength']} bytes")
            content: bytes = found["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if error_code(getattr(error, "response", {})) in ("NoSuchKey", "404"):
                raise ArtifactError(f"there is no {key}") from error
            raise from_client_error(error, f"read {key}") from error
        return content
