"""The fingerprint key of a tenant: 32 random bytes, wrapped by KMS in Metadata, unwrapped once per warm function."""

from typing import Any, Protocol

from millrace.core import keys
from millrace.core.aws import calling
from millrace.core.table import Table

KIND = "fingerprint-key"
ENTITY = "current"
BYTES = 32


class TenantKeys(Protocol):
    """Gives the fingerprint key of an org."""

    def key(self, org: str) -> bytes:
        """32 bytes, or RetryableError."""
        ...


class WrappedTenantKeys:
    """Tenant keys in Metadata. Made on a tenant's first event, never rotated while rows live."""

    def __init__(self, metadata: Table, kms: Any, kms_key_id: str) -> None:
        self._metadata, self._kms, self._kms_key_id = metadata, kms, kms_key_id
        self._unwrapped: dict[str, bytes] = {}

    def key(self, org: str) -> bytes:
        """32 bytes.

        Raises:
            RetryableError: Metadata or KMS did not answer.
        """
        key = self._unwrapped.get(org)
        if key is None:
            with calling("unwrap tenant key"):
                key = self._unwrapped[org] = self._unwrap(org)
        return key

    def _unwrap(self, org: str) -> bytes:
        context = {"org": org, "use": KIND}
        row = {"entityTypeKey": {"S": keys.metadata(org, KIND)}, "entityId": {"S": ENTITY}}
        stored = self._metadata.get(row, consistent=True, doing="read tenant key")
        if stored is None:
            made = self._kms.generate_data_key(
                KeyId=self._kms_key_id, NumberOfBytes=BYTES, EncryptionContext=context
            )
            wrapped = {"wrapped": {"B": made["CiphertextBlob"]}}
            # Another copy of this function may be first; its key is then the tenant's key.
            stored = self._metadata.insert({**row, **wrapped}, "entityId", doing="keep tenant key")
            if stored is None:
                return bytes(made["Plaintext"])
        wrapped_key = bytes(stored["wrapped"]["B"])
        return bytes(self._kms.decrypt(CiphertextBlob=wrapped_key, EncryptionContext=context)["Plaintext"])
