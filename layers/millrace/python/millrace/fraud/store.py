"""Users' sets in FeatureStore: one batched read for many users, one update a user that adds and returns the new sets."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from millrace.core import clock, keys
from millrace.core.errors import ItemTooLargeError, PermanentError
from millrace.core.table import Item, Table
from millrace.fraud.user import UserSets

GROUP = "fraud"
LATEST = "LATEST"
# A user without a transaction for this long has no profile any more.
KEPT_DAYS = 60
# DynamoDB takes an expression of 4 KB and 300 operators; a clause here is some 14 bytes.
ATTRIBUTES_PER_UPDATE = 200
# Likewise of removals; with additions beside them in one update, fewer.
REMOVED_PER_UPDATE = 400
REMOVED_BESIDE = 60
_ALIASES = [f"#a{at}" for at in range(ATTRIBUTES_PER_UPDATE)]
_VALUES = [f":a{at}" for at in range(ATTRIBUTES_PER_UPDATE)]
_CLAUSES = [f"#a{at} :a{at}" for at in range(ATTRIBUTES_PER_UPDATE)]
# By the number of attributes that are added to.
_EXPRESSIONS = [
    "SET expiresAt = :e" + (f" ADD {','.join(_CLAUSES[:count])}" if count else "")
    for count in range(ATTRIBUTES_PER_UPDATE + 1)
]

User = tuple[str, str]
"""Tenant and user id."""


class Read(NamedTuple):
    """The rows of one batched read.

    Attributes:
        sets: of every user in the request; empty for a user without a row.
        rows: the other rows that exist, by key.
    """

    sets: dict[User, UserSets]
    rows: dict[str, Item]


class RowFullError(PermanentError):
    """A user's row is full: other batches filled it since it was read."""


class UserSetStore:
    """The rows `org#fraud#user` / `LATEST`."""

    def __init__(self, table: Table) -> None:
        """`table` is FeatureStore."""
        self._table = table

    def read(self, users: Iterable[User], rows: Iterable[str] = ()) -> Read:
        """The sets of many users and other rows of the table, strongly consistent, 100 keys a call.

        Args:
            users: whose sets.
            rows: keys of other rows, each with the sort key `LATEST`.

        Raises:
            RetryableError: the table did not answer for all.
        """
        by_key = {keys.join(org, GROUP, user): (org, user) for org, user in users}
        sets, others = dict.fromkeys(by_key.values(), UserSets()), dict[str, Item]()
        wanted = map(_key, (*by_key, *rows))
        for item in self._table.batch_get(wanted, consistent=True, doing="read features"):
            name = item["featureKey"]["S"]
            user = by_key.get(name)
            if user is None:
                others[name] = item
            else:
                sets[user] = UserSets.from_item(item)
        return Read(sets, others)

    def add(
        self,
        user: User,
        added: Mapping[str, list[bytes]],
        dropped: Sequence[str],
        now: datetime,
    ) -> UserSets:
        """Adds elements to a user's sets and returns all of them as they are then.

        One call, except for a batch that touches more than 200 of one user's minutes, or that drops many attributes of the
        row: these are removed first, so that there is room.

        Args:
            user: tenant and user.
            added: elements by attribute; an element that the row has already changes nothing.
            dropped: attributes to remove from the row.
            now: the row lives for 60 days more.

        Raises:
            RetryableError: the table did not take them.
            RowFullError: the row has no room for them.
        """
        if len(dropped) > REMOVED_BESIDE or not added.keys().isdisjoint(dropped):
            for start in range(0, len(dropped), REMOVED_PER_UPDATE):
                self._update(user, {}, dropped[start : start + REMOVED_PER_UPDATE], now)
            dropped = ()
        if len(added) <= ATTRIBUTES_PER_UPDATE:
            return self._update(user, added, dropped, now)
        names = list(added)
        sets = UserSets()
        for start in range(0, len(names), ATTRIBUTES_PER_UPDATE):
            some = {name: added[name] for name in names[start : start + ATTRIBUTES_PER_UPDATE]}
            sets = self._update(user, some, dropped if start == 0 else (), now)
        return sets

    def _update(
        self, user: User, added: Mapping[str, list[bytes]], dropped: Sequence[str], now: datetime
    ) -> UserSets:
        expires = clock.epoch(now + timedelta(days=KEPT_DAYS))
        expression = _EXPRESSIONS[len(added)]
        names = dict(zip(_ALIASES, added, strict=False))
        values: dict[str, dict[str, Any]] = {":e": {"N": str(expires)}}
        for value, elements in zip(_VALUES, added.values(), strict=False):
            values[value] = {"BS": elements}
        if dropped:
            aliases = [f"#r{at}" for at in range(len(dropped))]
            names.update(zip(aliases, dropped, strict=True))
            expression += f" REMOVE {','.join(aliases)}"
        try:
            item = self._table.update_and_get(
                _key(keys.join(user[0], GROUP, user[1])),
                expression,
                names=names,
                values=values,
                doing="add features",
            )
        except ItemTooLargeError as error:
            raise RowFullError(str(error)) from error
        return UserSets.from_item(item)


def _key(feature_key: str) -> dict[str, dict[str, str]]:
    return {"featureKey": {"S": feature_key}, "sortKey": {"S": LATEST}}
