"""Keys of a tenant: 32 random bytes for each use, wrapped by KMS in Metadata, unwrapped once per warm function.

The fingerprint's key is one of them; `millrace.privacy` has another.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from millrace.core import keys
from millrace.core.aws import calling
from millrace.core.table import Table

KIND = "fingerprint-key"
ENTITY = "current"
BYTES = 32
# Tenants whose key is remembered, each in some 300 bytes.
TENANTS = 10_000


class TenantKeys(Protocol):
    """Gives the key of an org for one use."""

    def key(self, org: str) -> bytes:
        """32 bytes, or RetryableError."""
        ...


class WrappedTenantKeys:
    """Tenant keys in Metadata. Made when a tenant first needs one, never rotated while rows live."""

    def __init__(
        self,
        metadata: Table,
        kms: Any,
        kms_key_id: str,
        *,
        use: str = KIND,
        seconds: float = math.inf,
        tenants: int = TENANTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Makes no call.

        Args:
            metadata: where wrapped keys lie.
            kms: client.
            kms_key_id: of the key that wraps them.
            use: what the keys are for; part of what KMS binds them to, so none serves another use.
            seconds: after which a key is unwrapped again.
            tenants: whose keys are remembered.
            clock: seconds, never back.
        """
        self._metadata, self._kms, self._kms_key_id, self._use = metadata, kms, kms_key_id, use
        self._seconds, self._tenants, self._clock = seconds, tenants, clock
        self._unwrapped: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def key(self, org: str) -> bytes:
        """32 bytes.

        Raises:
            RetryableError: Metadata or KMS did not answer.
        """
        moment = self._clock()
        unwrapped_at, key = self._unwrapped.get(org, (-math.inf, b""))
        if not key or moment - unwrapped_at > self._seconds:
            with calling("unwrap tenant key"):
                key = self._unwrap(org)
            self._unwrapped[org] = (moment, key)
            while len(self._unwrapped) > self._tenants:
                self._unwrapped.popitem(last=False)
        return key

    def _unwrap(self, org: str) -> bytes:
        context = {"org": org, "use": self._use}
        row = {"entityTypeKey": {"S": keys.metadata(org, self._use)}, "entityId": {"S": ENTITY}}
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
