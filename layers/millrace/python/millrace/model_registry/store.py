"""MLModels: versions are put once, read and listed; the alias is read, and written only over what its caller read."""

from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core.errors import PermanentError, RetryableError, error_code, from_client_error
from millrace.model_registry import rows
from millrace.model_registry.rows import Alias, Item, Version


class ChampionChangedError(RetryableError):
    """Another caller changed the alias first."""


class ModelStore:
    """The rows of MLModels. Each tenant has partitions of its own, and no call reaches another's."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        """`table` is MLModels."""
        self._dynamodb, self._table = dynamodb, table

    def put(self, one: Version) -> bool:
        """Registers a version, unless its number is taken or its run has registered this algorithm.

        Returns:
            False for either; `of_run` tells which.

        Raises:
            MillraceError: the table did not answer.
        """
        mark = rows.run_key(one.org, one.model, one.run, one.algorithm)
        fresh = "attribute_not_exists(modelKey)"
        items: list[Item] = [rows.to_item(one), {**mark, "registered": {"S": one.version}}]
        puts = [
            {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": fresh}} for item in items
        ]
        try:
            self._dynamodb.transact_write_items(TransactItems=puts)
        except (ClientError, BotoCoreError) as error:
            if _refused(error):
                return False
            raise from_client_error(error, "register a model") from error
        return True

    def of_run(self, org: str, model: str, run: str, algorithm: str) -> Version | None:
        """What a run has registered for an algorithm.

        Raises:
            MillraceError: the table did not answer.
        """
        mark = self._get(rows.run_key(org, model, run, algorithm))
        return self.version(org, model, mark["registered"]["S"]) if mark else None

    def version(self, org: str, model: str, version: str) -> Version | None:
        """One version; None where the tenant has none of that number.

        Raises:
            MillraceError: the table did not answer.
        """
        if len(version) != rows.DIGITS or not version.isdigit():
            return None
        item = self._get(rows.key(org, model, version))
        return rows.from_item(item) if item else None

    def versions(self, org: str, model: str) -> list[Version]:
        """All versions, the newest first.

        Raises:
            MillraceError: the table did not answer.
        """
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "modelKey = :model AND #version BETWEEN :first AND :last",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {
                ":model": {"S": rows.partition(org, model)},
                ":first": {"S": rows.FIRST},
                ":last": {"S": rows.LAST},
            },
            "ScanIndexForward": False,
            "ConsistentRead": True,
        }
        found: list[Version] = []
        while True:
            try:
                page = self._dynamodb.query(**query)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "list models") from error
            found += [rows.from_item(item) for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return found
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def newest(self, org: str, model: str) -> int:
        """The highest number that is taken; 0 where there is none.

        Raises:
            MillraceError: the table did not answer.
        """
        found = self.versions(org, model)
        return int(found[0].version) if found else 0

    def alias(self, org: str, model: str) -> Alias | None:
        """Which version serves; None where none does.

        Raises:
            MillraceError: the table did not answer.
        """
        item = self._get(rows.key(org, model, rows.CHAMPION))
        return rows.alias_from(item) if item else None

    def move(self, seen: Alias | None, to: Alias) -> None:
        """Writes the alias, if it is still what its mover has seen, and that move announced.

        Raises:
            ChampionChangedError: it is not.
            MillraceError: the table did not answer.
        """
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(modelKey)"}
        if seen is not None:
            condition = {
                "ConditionExpression": "#move = :seen AND announced = :seen",
                "ExpressionAttributeNames": {"#move": "move"},
                "ExpressionAttributeValues": {":seen": {"N": str(seen.move)}},
            }
        try:
            self._dynamodb.put_item(TableName=self._table, Item=rows.alias_item(to), **condition)
        except (ClientError, BotoCoreError) as error:
            if _refused(error):
                if self._is_there(to):
                    # The SDK repeats a put whose answer was lost.
                    return
                raise ChampionChangedError(
                    f"the champion of {to.org} was moved meanwhile; look at it, then ask again"
                ) from error
            raise from_client_error(error, "move the champion") from error

    def _is_there(self, to: Alias) -> bool:
        found = self.alias(to.org, to.model)
        return found is not None and replace(found, announced=to.announced) == to

    def announced(self, alias: Alias) -> Alias:
        """Notes that a move's event is stored. One that is not the last any more was noted by whoever moved it on.

        Raises:
            MillraceError: the table did not answer.
        """
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=rows.key(alias.org, alias.model, rows.CHAMPION),
                UpdateExpression="SET announced = :move",
                ConditionExpression="#move = :move",
                ExpressionAttributeNames={"#move": "move"},
                ExpressionAttributeValues={":move": {"N": str(alias.move)}},
            )
        except (ClientError, BotoCoreError) as error:
            if not _refused(error):
                raise from_client_error(error, "note that a move is announced") from error
        return replace(alias, announced=alias.move)

    def _get(self, key: Item) -> Item | None:
        try:
            answer = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "read a model") from error
        item: Item | None = answer.get("Item")
        return item


def _refused(error: ClientError | BotoCoreError) -> bool:
    response: dict[str, Any] = getattr(error, "response", {})
    code = error_code(response)
    if code == "TransactionCanceledException":
        codes = {reason.get("Code") for reason in response.get("CancellationReasons", [])}
        if "TransactionConflict" in codes:
            raise RetryableError("register a model: another registration is under way") from error
        return "ConditionalCheckFailed" in codes
    return code == "ConditionalCheckFailedException"


def need(store: ModelStore, org: str, model: str, version: str) -> Version:
    """A version that must be there.

    Raises:
        PermanentError: the tenant has none of that number.
        MillraceError: the table did not answer.
    """
    found = store.version(org, model, version)
    if found is None:
        raise PermanentError(f"{org} has no version {version} of {model}")
    return found
