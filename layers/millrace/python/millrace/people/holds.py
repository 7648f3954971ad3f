"""Legal holds: who may not be erased, as long as somebody has said why. Listed in Metadata, `org#legal-hold` / `<subject>`.

What decides is the item of the person, which an erasure checks in the same write that begins it.
"""

from collections.abc import Iterator
from typing import Any

from millrace.core import clock, keys
from millrace.core.table import Item, Table
from millrace.people.rows import PeopleRows, PersonRow

KIND = "legal-hold"


class Holds:
    """Holds of all tenants; a tenant reaches its own and no other's."""

    def __init__(self, metadata: Table, people: PeopleRows) -> None:
        """Makes no call."""
        self._metadata, self._people = metadata, people

    def set(self, org: str, row: PersonRow, reason: str, by: str) -> dict[str, Any] | None:
        """Forbids that a person is erased; None where that has begun.

        Raises:
            MillraceError: a table did not take it; the same call goes on.
        """
        at = clock.now()
        if not self._people.hold(row, reason, by, at):
            return None
        said = {"reason": reason, "by": by, "at": clock.utc_text(at)}
        item: Item = {**_key(org, row), **{name: {"S": value} for name, value in said.items()}}
        self._metadata.put(item, doing="keep hold")
        return {"subject": str(row.subject), **said}

    def lift(self, org: str, row: PersonRow) -> bool:
        """Ends a hold; False where there is none.

        Raises:
            MillraceError: a table did not take it; the same call goes on.
        """
        lifted = self._people.lift(row)
        if row.subject:
            self._metadata.delete(_key(org, row), doing="remove hold")
        return lifted

    def listed(self, org: str, after: str | None = None) -> Iterator[dict[str, Any]]:
        """Holds of a tenant in the order of subjects, behind that of `after`.

        Raises:
            MillraceError: the table did not answer.
        """
        values = {":key": {"S": keys.metadata(org, KIND)}}
        condition = "entityTypeKey = :key"
        if after is not None:
            condition, values[":after"] = f"{condition} AND entityId > :after", {"S": after}
        for item in self._metadata.query(condition, values, doing="list holds"):
            said = {name: item[name]["S"] for name in ("reason", "by", "at")}
            yield {"subject": item["entityId"]["S"], **said}


def _key(org: str, row: PersonRow) -> Item:
    return {"entityTypeKey": {"S": keys.metadata(org, KIND)}, "entityId": {"S": str(row.subject)}}
