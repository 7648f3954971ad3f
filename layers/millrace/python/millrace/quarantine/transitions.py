"""How a refused event's status moves: open → replayed or discarded, by one conditional write each, so that one caller wins.

A replay claims what it is about to append. While the claim stands nobody discards the event; another replay may take it
over, because of two appends of one id the table takes one. A claim ends with the replay, or with its time.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock, keys
from millrace.core.batch import write_all
from millrace.core.errors import error_code, from_client_error
from millrace.quarantine import entry as entries

IN_FLIGHT = 8
# Longer than the function that replays may run.
CLAIM_MILLISECONDS = 60_000
# Of one value in an audit row, such as a patch.
AUDITED_BYTES = 64 * 1024


class Transitions:
    """Writes of the index rows of refused events, and what is written up of them."""

    def __init__(self, dynamodb: Any, metadata_table: str) -> None:
        self._dynamodb, self._table = dynamodb, metadata_table

    def claim(self, org: str, identifiers: Iterable[str], by: str) -> set[str]:
        """Claims those that are open for a while; the ids of those that were.

        Raises:
            MillraceError: the table did not answer.
        """
        until = clock.epoch_millis(clock.now()) + CLAIM_MILLISECONDS
        return self._each(
            org,
            identifiers,
            UpdateExpression="SET claimedBy = :by, claimedUntil = :until",
            ConditionExpression="#status = :open",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":by": {"S": by},
                ":until": {"N": str(until)},
                ":open": {"S": "open"},
            },
        )

    def release(self, org: str, identifiers: Iterable[str], by: str) -> set[str]:
        """Gives back what is claimed by this one.

        Raises:
            MillraceError: the table did not answer.
        """
        return self._each(
            org,
            identifiers,
            UpdateExpression="REMOVE claimedBy, claimedUntil",
            ConditionExpression="claimedBy = :by",
            ExpressionAttributeValues={":by": {"S": by}},
        )

    def close(self, org: str, identifiers: Iterable[str], status: str, principal: str) -> set[str]:
        """Closes those that are open; a discard not those that a replay has claimed. The ids that it closed.

        Raises:
            MillraceError: the table did not answer.
        """
        now = clock.now()
        condition = "#status = :open"
        values = {
            ":status": {"S": status},
            ":open": {"S": "open"},
            ":now": {"S": clock.utc_text(now)},
            ":principal": {"S": principal},
        }
        if status == "discarded":
            condition += " AND (attribute_not_exists(claimedUntil) OR claimedUntil < :moment)"
            values[":moment"] = {"N": str(clock.epoch_millis(now))}
        return self._each(
            org,
            identifiers,
            UpdateExpression=(
                "SET #status = :status, closedAt = :now, closedBy = :principal REMOVE claimedBy, claimedUntil"
            ),
            ConditionExpression=condition,
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=values,
        )

    def audit(
        self,
        org: str,
        action: str,
        principal: str,
        request_id: str,
        detail: Mapping[str, Any],
        at: datetime,
    ) -> None:
        """Writes up who did what to the quarantine; the same request's row is written over.

        Raises:
            MillraceError: the table did not take it.
        """
        moment = clock.utc_text(at)
        item = {
            "entityTypeKey": {"S": keys.metadata(org, "audit", moment[:10])},
            "entityId": {"S": keys.join(moment, request_id)},
            "action": {"S": f"quarantine.{action}"},
            "principal": {"S": principal},
            "detail": {"S": orjson.dumps({name: _bounded(value) for name, value in detail.items()}).decode()},
        }
        write_all(self._dynamodb, self._table, [item])

    def _each(self, org: str, identifiers: Iterable[str], **update: Any) -> set[str]:
        wanted = list(identifiers)
        if len(wanted) < IN_FLIGHT:
            return {one for one in wanted if self._update(org, one, update)}
        write: Callable[[str], bool] = lambda one: self._update(org, one, update)  # noqa: E731
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="quarantine") as pool:
            return {one for one, done in zip(wanted, pool.map(write, wanted), strict=True) if done}

    def _update(self, org: str, identifier: str, update: dict[str, Any]) -> bool:
        """Whether the condition held."""
        day = clock.utc_day(entries.moment_of(identifier)).isoformat()
        key = {"entityTypeKey": {"S": entries.day_key(org, day)}, "entityId": {"S": identifier}}
        try:
            self._dynamodb.update_item(TableName=self._table, Key=key, **update)
        except (ClientError, BotoCoreError) as error:
            if error_code(getattr(error, "response", {})) == "ConditionalCheckFailedException":
                return False
            raise from_client_error(error, "move refused event") from error
        return True


def _bounded(value: Any) -> Any:
    """A value for an audit row, which has 400 KB: one too large for it as its size and hash."""
    text = orjson.dumps(value)
    if len(text) <= AUDITED_BYTES:
        return value
    return {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
