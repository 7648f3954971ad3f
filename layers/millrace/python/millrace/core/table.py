"""A DynamoDB table as capabilities use it: items as the low-level client has them, errors as the platform's own.

Which method for which need:

- one item by its key: `get` (None where there is none)
- any number of items by their keys: `batch_get` (100 a call; unprocessed keys are retried)
- the items of a partition or an index, in order: `query`; a page at a time, or from where a page ended: `pages`
- every item: `scan`; a page at a time, or from where a page ended: `scan_pages`
- put, replacing what is there: `put` for one item, `write_all` for many (25 a call; unprocessed items are retried)
- put, update or delete under a condition: `put`, `update`, `delete` return whether the condition held
- put unless the key is taken: `insert` returns the item that is there already
- update and read the whole item back: `update_and_get`
- several writes, all or none: `transact` returns whether every condition held

Expressions, names and values are DynamoDB's own ("Using expressions in DynamoDB", Amazon DynamoDB Developer Guide). What
differs by caller is an argument: consistency, projection, order and limits of each call; the number of attempts and the
pause between them of the table. `doing` begins the message of an error ("read event").

Every method raises `RetryableError` if the table did not answer (`ThrottledError` if it throttles) and `PermanentError` if
the request itself is wrong (`ItemTooLargeError`: an item beyond 400 KB). A method that returns an iterator makes its first
call, and raises, when the iterator is first advanced.
"""

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypedDict, Unpack

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core.errors import ConditionFailedError, ThrottledError, from_client_error

Item = dict[str, dict[str, Any]]
"""Attribute → its type and value, such as `{"orgId": {"S": "org_acme"}}`."""

# DynamoDB's bounds of a call.
KEYS_PER_CALL = 100
ITEMS_PER_CALL = 25


def is_expired(item: Mapping[str, Any]) -> bool:
    """Whether an item's `expiresAt` is over. Time to live deletes up to days late; for a reader the item is gone at once."""
    return "expiresAt" in item and int(item["expiresAt"]["N"]) <= time.time()


class Write(TypedDict, total=False):
    """Of one write: its condition, the names and values in its expressions, and how the message of an error begins."""

    condition: str
    names: Mapping[str, str] | None
    values: Mapping[str, Any] | None
    doing: str


class Page(NamedTuple):
    """Items, and the key after which the next page starts (None: there is none)."""

    items: list[Item]
    last: Item | None


class Table:
    """One table, over a client of DynamoDB; safe to share among threads, as the client is."""

    def __init__(
        self, dynamodb: Any, name: str, *, attempts: int = 5, first_pause_seconds: float = 0.05
    ) -> None:
        """Makes no call.

        Args:
            dynamodb: the low-level client.
            name: of the table.
            attempts: calls for one batch at most, as long as it leaves keys or items unprocessed.
            first_pause_seconds: upper bound of the random pause before the second attempt; doubled for each next one.
        """
        self._dynamodb, self.name = dynamodb, name
        self._attempts, self._first_pause_seconds = attempts, first_pause_seconds

    def get(self, key: Mapping[str, Any], *, consistent: bool = False, doing: str = "") -> Item | None:
        """The item under a key; None where there is none."""
        item: Item | None = self._call(
            "get_item", doing, {"TableName": self.name, "Key": key, "ConsistentRead": consistent}
        ).get("Item")
        return item

    def batch_get(
        self,
        keys: Iterable[Mapping[str, Any]],
        *,
        consistent: bool = False,
        projection: str = "",
        names: Mapping[str, str] | None = None,
        doing: str = "",
    ) -> Iterator[Item]:
        """The items that are there under these keys, in no order, a call for each 100 of them.

        Args:
            keys: each once.
            consistent: strongly consistent reads.
            projection: the attributes to read; empty for all.
            names: what `#…` stands for in it.
            doing: for the message of an error.

        Raises:
            ThrottledError: keys stayed unprocessed.
        """
        how = _given(
            ConsistentRead=consistent, ProjectionExpression=projection, ExpressionAttributeNames=names
        )
        wanted = list(keys)
        for start in range(0, len(wanted), KEYS_PER_CALL):
            left: Any = wanted[start : start + KEYS_PER_CALL]
            for _ in self._tries():
                answer = self._call(
                    "batch_get_item", doing, {"RequestItems": {self.name: {"Keys": left, **how}}}
                )
                yield from answer["Responses"].get(self.name, ())
                left = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys")
                if not left:
                    break
            else:
                raise ThrottledError(f"{doing or f'read {self.name}'}: {len(left)} keys left unprocessed")

    def query(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        names: Mapping[str, str] | None = None,
        index: str = "",
        consistent: bool = False,
        newest_first: bool = False,
        projection: str = "",
        filter_by: str = "",
        after: Mapping[str, Any] | None = None,
        most: int | None = None,
        doing: str = "",
    ) -> Iterator[Item]:
        """The items of a partition in the order of their sort keys, read a page at a time as they are asked for.

        Args:
            condition: on the keys, such as `entityTypeKey = :key AND entityId >= :since`.
            values: what `:…` stands for in the condition and the filter.
            names: what `#…` stands for.
            index: of an index instead of the table.
            consistent: strongly consistent reads; an index has none.
            newest_first: descending by the sort key.
            projection: the attributes to read; empty for all.
            filter_by: a filter expression, which leaves items out after they were read.
            after: the exclusive start key.
            most: items at most; with a filter a page reads no more than this.
            doing: for the message of an error.
        """
        pages = self.pages(
            condition,
            values,
            names=names,
            index=index,
            consistent=consistent,
            newest_first=newest_first,
            projection=projection,
            filter_by=filter_by,
            after=after,
            page_size=most,
            doing=doing,
        )
        items = (item for page in pages for item in page.items)
        return items if most is None else islice(items, most)

    def pages(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        names: Mapping[str, str] | None = None,
        index: str = "",
        consistent: bool = False,
        newest_first: bool = False,
        projection: str = "",
        filter_by: str = "",
        after: Mapping[str, Any] | None = None,
        page_size: int | None = None,
        doing: str = "",
    ) -> Iterator[Page]:
        """The same, a page at a time: at most 1 MB, or `page_size` items before the filter.

        The arguments are those of `query`. `page.last` is the `after` of the next page, so it can serve as a cursor.
        """
        return self._pages(
            "query",
            doing,
            _given(
                TableName=self.name,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ExpressionAttributeNames=names,
                IndexName=index,
                ConsistentRead=consistent,
                ProjectionExpression=projection,
                FilterExpression=filter_by,
                ExclusiveStartKey=after,
                Limit=page_size,
            )
            | ({"ScanIndexForward": False} if newest_first else {}),
        )

    def scan(self, *, consistent: bool = False, doing: str = "") -> Iterator[Item]:
        """Every item, in no order, read a page at a time as they are asked for."""
        request = _given(TableName=self.name, ConsistentRead=consistent)
        return (item for page in self._pages("scan", doing, request) for item in page.items)

    def scan_pages(
        self,
        *,
        filter_by: str = "",
        values: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        page_size: int | None = None,
        consistent: bool = False,
        doing: str = "",
    ) -> Iterator[Page]:
        """The same, a page at a time: at most 1 MB, or `page_size` items before the filter.

        Args:
            filter_by: a filter expression, which leaves items out after they were read.
            values: what `:…` stands for in it.
            after: the exclusive start key, which is `last` of a page.
            page_size: items at most.
            consistent: strongly consistent reads.
            doing: for the message of an error.
        """
        return self._pages(
            "scan",
            doing,
            _given(
                TableName=self.name,
                ConsistentRead=consistent,
                FilterExpression=filter_by,
                ExpressionAttributeValues=values,
                ExclusiveStartKey=after,
                Limit=page_size,
            ),
        )

    def insert(self, item: Mapping[str, Any], key: str, *, doing: str = "") -> Item | None:
        """Puts an item unless there is one under its key.

        Args:
            item: the whole of it.
            key: the name of the table's partition key.
            doing: for the message of an error.

        Returns:
            None if it was put, else the item that is there. That may be this very item: the client repeats a put whose
            answer was lost.
        """
        try:
            self._call(
                "put_item",
                doing,
                {
                    "TableName": self.name,
                    "Item": item,
                    "ConditionExpression": f"attribute_not_exists({key})",
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                },
            )
        except ConditionFailedError as failed:
            return failed.item
        return None

    def put(self, item: Mapping[str, Any], **write: Unpack[Write]) -> bool:
        """Puts an item, replacing what is there; False if the condition did not hold."""
        return self._write("put_item", {"Item": item}, **write)

    def update(self, key: Mapping[str, Any], expression: str, **write: Unpack[Write]) -> bool:
        """Updates an item, or makes it if there is none; False if the condition did not hold."""
        return self._write("update_item", {"Key": key, "UpdateExpression": expression}, **write)

    def delete(self, key: Mapping[str, Any], **write: Unpack[Write]) -> bool:
        """Deletes an item if there is one; False if the condition did not hold."""
        return self._write("delete_item", {"Key": key}, **write)

    def update_and_get(
        self,
        key: Mapping[str, Any],
        expression: str,
        *,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
        doing: str = "",
    ) -> Item:
        """Updates an item, or makes it if there is none, and returns the whole item as it is after that.

        Raises:
            ItemTooLargeError: it would be beyond 400 KB.
        """
        request = {
            "TableName": self.name,
            "Key": key,
            "UpdateExpression": expression,
            "ExpressionAttributeValues": values,
            "ReturnValues": "ALL_NEW",
        }
        # DynamoDB refuses an empty mapping.
        if names:
            request["ExpressionAttributeNames"] = names
        item: Item = self._call("update_item", doing, request)["Attributes"]
        return item

    def transact(self, actions: Iterable[Mapping[str, Mapping[str, Any]]], *, doing: str = "") -> bool:
        """Writes all or none.

        Args:
            actions: at most 100, such as `{"Put": {"Item": …, "ConditionExpression": …}}`, of this table.
            doing: for the message of an error.

        Returns:
            False where a condition did not hold.

        Raises:
            RetryableError: another transaction is under way on one of the items.
        """
        writes = [
            {kind: {"TableName": self.name, **request}}
            for action in actions
            for kind, request in action.items()
        ]
        try:
            self._call("transact_write_items", doing, {"TransactItems": writes})
        except ConditionFailedError:
            return False
        return True

    def write_all(self, items: Sequence[Mapping[str, Any]], *, doing: str = "write items") -> None:
        """Puts items, 25 a call, replacing what is there; each key once in 25.

        Raises:
            MillraceError: not every item is stored.
        """
        for start in range(0, len(items), ITEMS_PER_CALL):
            left: Any = [{"PutRequest": {"Item": item}} for item in items[start : start + ITEMS_PER_CALL]]
            refused: ThrottledError | None = None
            for _ in self._tries():
                try:
                    answer = self._call("batch_write_item", doing, {"RequestItems": {self.name: left}})
                except ThrottledError as error:
                    # None of them was taken, as a table answers that is new and grows.
                    refused = error
                    continue
                left = answer.get("UnprocessedItems", {}).get(self.name)
                if not left:
                    break
            else:
                raise refused or ThrottledError(f"{doing}: {len(left)} left unprocessed")

    def _write(self, operation: str, what: Mapping[str, Any], **write: Unpack[Write]) -> bool:
        how = _given(
            ConditionExpression=write.get("condition"),
            ExpressionAttributeNames=write.get("names"),
            ExpressionAttributeValues=write.get("values"),
        )
        try:
            self._call(operation, write.get("doing", ""), {"TableName": self.name, **what, **how})
        except ConditionFailedError:
            return False
        return True

    def _pages(self, operation: str, doing: str, request: dict[str, Any]) -> Iterator[Page]:
        while True:
            answer = self._call(operation, doing, request)
            last = answer.get("LastEvaluatedKey")
            yield Page(answer["Items"], last)
            if last is None:
                return
            request = {**request, "ExclusiveStartKey": last}

    def _tries(self) -> Iterator[None]:
        """The attempts of a batch, with jitter between them."""
        for attempt in range(self._attempts):
            if attempt:
                most = self._first_pause_seconds * 2 ** (attempt - 1)
                time.sleep(random.uniform(0, most))  # noqa: S311  jitter
            yield

    def _call(self, operation: str, doing: str, request: Mapping[str, Any]) -> Any:
        try:
            return getattr(self._dynamodb, operation)(**request)
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, doing or f"{operation} of {self.name}") from error


def _given(**arguments: Any) -> dict[str, Any]:
    """The arguments that are set: DynamoDB refuses empty expressions."""
    return {name: value for name, value in arguments.items() if value}
