"""Records that a consumer has set aside: a reason why an event is missing, and no hole."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import keys
from millrace.core.consumer import decode
from millrace.core.errors import PermanentError, error_code, from_client_error
from millrace.core.prefixes import DEAD_LETTERS
from millrace.eventstore import receipts, silver
from millrace.reconcile.compare import to_bytes, to_text

# Objects of a consumer's day that are looked through; behind them a missing event counts as a hole.
MOST = 2_000


@dataclass(frozen=True, slots=True)
class Untyped:
    """Events by the hashes that a receipt keeps."""

    hashes: frozenset[bytes]

    def __contains__(self, identifier: bytes) -> bool:
        return bool(self.hashes) and silver.fold(to_text(identifier)) in self.hashes


class Letters:
    """Dead letters of the consumers by event, and events that silver could not type."""

    def __init__(self, s3: Any, dynamodb: Any, bucket: str, metadata_table: str) -> None:
        self._s3, self._dynamodb = s3, dynamodb
        self._bucket, self._table = bucket, metadata_table

    def of_consumer(self, consumer: str, org: str, day: date) -> dict[bytes, str]:
        """Id → key of the dead letter, of a tenant's records that came on a day.

        Raises:
            MillraceError: the lake did not answer.
        """
        found: dict[bytes, str] = {}
        for key in islice(self._listed(f"{DEAD_LETTERS}{consumer}/day={day.isoformat()}/"), MOST):
            identifier = self._event(key, org)
            if identifier is not None:
                found[identifier] = key
        return found

    def of_silver(self, org: str, day: str) -> Untyped:
        """The events of a tenant's day that the receipts of silver name as rows that could not be typed.

        Raises:
            MillraceError: the table did not answer.
        """
        hashes: set[bytes] = set()
        for item in receipts.read(self._dynamodb, self._table, org, silver.KIND, day):
            dead = bytes(item["dead"]["B"]) if "dead" in item else b""
            hashes |= {dead[at : at + silver.BYTES] for at in range(0, len(dead), silver.BYTES)}
        return Untyped(frozenset(hashes))

    def _event(self, key: str, org: str) -> bytes | None:
        """The id of a dead letter's event, if it is one of the tenant."""
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if error_code(getattr(error, "response", {})) in {"NoSuchKey", "404"}:
                return None
            raise from_client_error(error, "read dead letter") from error
        try:
            delivery = decode(orjson.loads(body)["record"])
            if delivery is None or delivery.item["orgId"]["S"] != org:
                return None
            return to_bytes(delivery.item["eventId"]["S"].rpartition(keys.SEPARATOR)[2])
        except (PermanentError, KeyError, TypeError, ValueError):
            # What cannot be read names no event.
            return None

    def _listed(self, prefix: str) -> Iterator[str]:
        asked = {"Bucket": self._bucket, "Prefix": prefix}
        while True:
            try:
                page = self._s3.list_objects_v2(**asked)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "list dead letters") from error
            yield from (found["Key"] for found in page.get("Contents", []))
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]
