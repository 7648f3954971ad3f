"""Rows of Metadata as the catalog writes and reads them: a row never gives way to an older one."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core.errors import error_code, from_client_error

# Half the connections that a client holds; rows are small and the table answers in milliseconds.
IN_FLIGHT = 16
Item = dict[str, dict[str, Any]]


def key(partition: str, name: str) -> Item:
    """A row's key."""
    return {"entityTypeKey": {"S": partition}, "entityId": {"S": name}}


class Rows:
    """Puts, deletes and queries. `at` is the moment of what a row tells, UTC text."""

    def __init__(self, dynamodb: Any, metadata_table: str) -> None:
        self._dynamodb, self._table = dynamodb, metadata_table

    def put(self, item: Item, at: str) -> None:
        """Puts a row unless there is a newer one."""
        self._write(self._dynamodb.put_item, {"Item": {**item, "at": {"S": at}}, **_not_newer(at)})

    def put_all(self, items: Iterable[Item], at: str) -> None:
        """Puts rows, several at a time."""
        self._each(lambda item: self.put(item, at), items)

    def delete_all(self, keys: Iterable[Item], at: str) -> None:
        """Deletes the rows that are not newer, several at a time."""
        self._each(lambda row: self._write(self._dynamodb.delete_item, {"Key": row, **_not_newer(at)}), keys)

    def query(self, partition: str, name: str | None = None) -> Iterator[Item]:
        """The rows of a partition, or the one of that name.

        Raises:
            MillraceError: the table did not answer.
        """
        values = {":key": {"S": partition}} | ({} if name is None else {":name": {"S": name}})
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": f"entityTypeKey = :key{'' if name is None else ' AND entityId = :name'}",
            "ExpressionAttributeValues": values,
            # A publish sums what it has just written.
            "ConsistentRead": True,
        }
        while True:
            try:
                page = self._dynamodb.query(**query)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "read the catalog") from error
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _write(self, call: Callable[..., Any], request: Mapping[str, Any]) -> None:
        try:
            call(TableName=self._table, **request)
        except (ClientError, BotoCoreError) as error:
            # A newer run has said it already.
            if error_code(getattr(error, "response", {})) != "ConditionalCheckFailedException":
                raise from_client_error(error, "write the catalog") from error

    @staticmethod
    def _each(do: Callable[[Any], None], items: Iterable[Any]) -> None:
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="catalog") as pool:
            # The list makes the first error come out.
            list(pool.map(do, items))


def _not_newer(at: str) -> dict[str, Any]:
    return {
        "ConditionExpression": "attribute_not_exists(#at) OR #at <= :at",
        "ExpressionAttributeNames": {"#at": "at"},
        "ExpressionAttributeValues": {":at": {"S": at}},
    }
