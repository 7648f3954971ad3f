"""MLModels: versions are put once, read and listed; the alias is read, and written only over what its caller read."""

from dataclasses import replace

from millrace.core.errors import PermanentError, RetryableError
from millrace.core.table import Item, Table
from millrace.model_registry import rows
from millrace.model_registry.rows import Alias, Version


class ChampionChangedError(RetryableError):
    """Another caller changed the alias first."""


class ModelStore:
    """The rows of MLModels. Each tenant has partitions of its own, and no call reaches another's."""

    def __init__(self, table: Table) -> None:
        """`table` is MLModels."""
        self._table = table

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
        puts = [{"Put": {"Item": item, "ConditionExpression": fresh}} for item in items]
        return self._table.transact(puts, doing="register a model")

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
        items = self._table.query(
            "modelKey = :model AND #version BETWEEN :first AND :last",
            {
                ":model": {"S": rows.partition(org, model)},
                ":first": {"S": rows.FIRST},
                ":last": {"S": rows.LAST},
            },
            names={"#version": "version"},
            newest_first=True,
            consistent=True,
            doing="list models",
        )
        return [rows.from_item(item) for item in items]

    def newest(self, org: str, model: str) -> int:
        """The highest number that is taken; 0 where there is none.

        Raises:
            MillraceError: the table did not answer.
        """
        versions = self.versions(org, model)
        return int(versions[0].version) if versions else 0

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
        item, doing = rows.alias_item(to), "move the champion"
        if seen is None:
            moved = self._table.put(item, condition="attribute_not_exists(modelKey)", doing=doing)
        else:
            moved = self._table.put(
                item,
                condition="#move = :seen AND announced = :seen",
                names={"#move": "move"},
                values={":seen": {"N": str(seen.move)}},
                doing=doing,
            )
        # The client repeats a put whose answer was lost.
        if not moved and not self._is_there(to):
            raise ChampionChangedError(
                f"the champion of {to.org} was changed meanwhile; check it, then retry"
            )

    def _is_there(self, to: Alias) -> bool:
        alias = self.alias(to.org, to.model)
        return alias is not None and replace(alias, announced=to.announced) == to

    def announced(self, alias: Alias) -> Alias:
        """Marks the event of a change as stored. If the change is not the last any more, a later one has marked it.

        Raises:
            MillraceError: the table did not answer.
        """
        self._table.update(
            rows.key(alias.org, alias.model, rows.CHAMPION),
            "SET announced = :move",
            condition="#move = :move",
            names={"#move": "move"},
            values={":move": {"N": str(alias.move)}},
            doing="note that a move is announced",
        )
        return replace(alias, announced=alias.move)

    def _get(self, key: Item) -> Item | None:
        return self._table.get(key, consistent=True, doing="read a model")


def need(store: ModelStore, org: str, model: str, version: str) -> Version:
    """A version that must be there.

    Raises:
        PermanentError: the tenant has none of that number.
        MillraceError: the table did not answer.
    """
    row = store.version(org, model, version)
    if row is None:
        raise PermanentError(f"{org} has no version {version} of {model}")
    return row
