"""Texts that are encrypted for a tenant as a whole, before they leave the function."""

from millrace.eventstore.tenant_key import TenantKeys
from millrace.privacy import seal
from millrace.privacy.tenant_secrets import secrets
from millrace.privacy.tokens import short_digest


class TenantBox:
    """Seals and unseals under a tenant's own key, each text bound to its place."""

    def __init__(self, tenant_keys: TenantKeys) -> None:
        """`tenant_keys`: of the use `privacy-key`."""
        self._tenant_keys = tenant_keys

    def seal(self, org: str, place: str, text: bytes) -> bytes:
        """The text for this place of this tenant.

        Raises:
            RetryableError: Metadata or KMS did not answer.
        """
        return seal.seal(secrets(self._tenant_keys, org).quarantine, [org, place], text)

    def unseal(self, org: str, place: str, sealed: bytes) -> bytes:
        """The text.

        Raises:
            UnreadableError: it was not sealed for this tenant and place, or was changed since.
            RetryableError: Metadata or KMS did not answer.
        """
        return seal.unseal(secrets(self._tenant_keys, org).quarantine, [org, place], sealed)

    def mention(self, org: str, user: str) -> str:
        """What stands in a table for a user whom a refused event names: an HMAC, the same for the same user of a tenant.

        Raises:
            RetryableError: Metadata or KMS did not answer.
        """
        return short_digest(secrets(self._tenant_keys, org).mention, user)
