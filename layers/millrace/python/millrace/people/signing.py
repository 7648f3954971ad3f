"""Signatures by the platform's asymmetric key in KMS, which nobody can take out of there."""

from typing import Any

from millrace.core.aws import calling
from millrace.people.certificate import ALGORITHM, PublicKey, pem_of


class Signer:
    """Signs short texts: KMS takes 4 KB."""

    def __init__(self, kms: Any, key_id: str) -> None:
        """Makes no call."""
        self._kms, self._key_id = kms, key_id

    def public_key(self) -> PublicKey:
        """The key that verifies.

        Raises:
            MillraceError: KMS did not answer.
        """
        with calling("read the public key"):
            answer = self._kms.get_public_key(KeyId=self._key_id)
        return PublicKey(str(answer["KeyId"]), pem_of(bytes(answer["PublicKey"])))

    def sign(self, message: bytes) -> bytes:
        """The signature of a short text, in DER.

        Raises:
            MillraceError: KMS did not answer.
        """
        with calling("sign"):
            answer = self._kms.sign(
                KeyId=self._key_id, Message=message, MessageType="RAW", SigningAlgorithm=ALGORITHM
            )
        return bytes(answer["Signature"])
