"""Users in windows of aggregates: counted under the numbers of people, named by their ids in questions and answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from millrace.aggregates.definition import Aggregate
from millrace.api.user_ids import UserIds
from millrace.privacy import identities
from millrace.privacy.suppressed import ANALYTICS

Item = dict[str, Any]
_TOP, _LATEST = "top", "latest"


class Counted:
    """The users of one aggregate of a tenant; where it has none, nothing is read."""

    def __init__(self, user_ids: UserIds, org: str, aggregate: Aggregate) -> None:
        """Makes no call."""
        self._user_ids, self._org = user_ids, org
        self._keys = [one.name for one in aggregate.keys if one.of_user]
        self._measures = {one.name: one.kind for one in aggregate.measures if one.of_user}

    def forms(self, user: str) -> tuple[str, ...]:
        """What a user is counted under: the person's number, and the id as it is, which older windows have.

        As SQL has no rows of them, nothing is told of who is restricted, or has withdrawn that rows are read for `analytics`.

        Raises:
            MillraceError: people could not be read.
        """
        return self._user_ids.keys(self._org, user, ANALYTICS)

    def told(self, items: Sequence[Item]) -> list[Item]:
        """The items of a page, in order, with users' ids in place of numbers, of the same type.

        Raises:
            MillraceError: people could not be read.
        """
        texts = (str(value) for item in items for value in self._values(item))
        users = self._user_ids.users(self._org, {int(one) for one in texts if identities.is_number(one)})
        return [self._told(item, users) for item in items] if users else [*items]

    def _values(self, item: Item) -> Iterator[Any]:
        yield from (item["key"][name] for name in self._keys if name in item["key"])
        for name, kind in self._measures.items():
            if kind == _TOP:
                yield from (one["value"] for one in item[name]["items"])
            elif kind == _LATEST:
                yield item[name]

    def _told(self, item: Item, users: Mapping[int, str]) -> Item:
        key = {
            name: _id(value, users) if name in self._keys else value for name, value in item["key"].items()
        }
        made = {**item, "key": key}
        for name, kind in self._measures.items():
            if kind == _TOP:
                first = [{**one, "value": _id(one["value"], users)} for one in item[name]["items"]]
                made[name] = {**item[name], "items": first}
            elif kind == _LATEST:
                made[name] = _id(item[name], users)
        return made


def _id(value: Any, users: Mapping[int, str]) -> Any:
    """A value with the user's id in place of a number; a whole number stays one where the id is one."""
    text = str(value)
    user = users.get(int(text)) if identities.is_number(text) else None
    if user is None:
        return value
    return int(user) if isinstance(value, int) and user.lstrip("-").isdecimal() else user
