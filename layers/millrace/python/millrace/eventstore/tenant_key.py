"""The fingerprint key of a tenant: 32 random bytes, wrapped by KMS in Metadata, unwrapped once per warm function."""

from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import keys
from millrace.core.errors import error_code, from_client_error

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

    def __init__(self, dynamodb: Any, kms: Any, metadata_table: str, kms_key_id: str) -> None:
        self._dynamodb, self._kms = dynamodb, kms
        self._table, self._kms_key_id = metadata_table, kms_key_id
        self._unwrapped: dict[str, bytes] = {}

    def key(self, org: str) -> bytes:
        """32 bytes.

        Raises:
            RetryableError: Metadata or KMS did not answer.
        """
        found = self._unwrapped.get(org)
        if found is None:
            try:
                found = self._unwrapped[org] = self._unwrap(org)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "unwrap tenant key") from error
        return found

    def _unwrap(self, org: str) -> bytes:
        context = {"org": org, "use": KIND}
        stored = self._read(org)
        if stored is None:
            made = self._kms.generate_data_key(
                KeyId=self._kms_key_id, NumberOfBytes=BYTES, EncryptionContext=context
            )
            if self._write(org, made["CiphertextBlob"]):
                return bytes(made["Plaintext"])
            # Another copy of this function was first; its key is the tenant's key.
            stored = self._read(org)
        return bytes(self._kms.decrypt(CiphertextBlob=stored, EncryptionContext=context)["Plaintext"])

    def _key(self, org: str) -> dict[str, dict[str, str]]:
        return {"entityTypeKey": {"S": keys.metadata(org, KIND)}, "entityId": {"S": ENTITY}}

    def _read(self, org: str) -> bytes | None:
        item = self._dynamodb.get_item(TableName=self._table, Key=self._key(org), ConsistentRead=True).get(
            "Item"
        )
        return None if item is None else bytes(item["wrapped"]["B"])

    def _write(self, org: str, wrapped: bytes) -> bool:
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item={**self._key(org), "wrapped": {"B": wrapped}},
                ConditionExpression="attribute_not_exists(entityId)",
            )
        except ClientError as error:
            if error_code(error.response) == "ConditionalCheckFailedException":
                return False
            raise
        return True
