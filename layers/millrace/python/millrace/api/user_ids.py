"""Users' ids in questions and answers: what is stored has the numbers of people in their places."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from millrace.privacy import identities


class People(Protocol):
    """What `privacy.subjects.Subjects` says of users."""

    def ids(self, org: str, users: Iterable[str]) -> Mapping[str, str]:
        """The user's id → what is stored in its place; of those who are not known, the id itself."""
        ...

    def users(self, org: str, numbers: Iterable[int]) -> Mapping[int, str]:
        """Number → the user's id, of those whose values may be shown."""
        ...


class UserIds:
    """Turns users' ids into what is stored, and numbers into users' ids. Of nobody who is named it reads nothing."""

    def __init__(self, people: People) -> None:
        """Makes no call."""
        self._people = people

    def keys(self, org: str, user: str) -> tuple[str, ...]:
        """What rows of a user may be found by: the person's number, and the id as it is, which rows from before have.

        Raises:
            MillraceError: people could not be read.
        """
        return tuple(dict.fromkeys((self.stored(org, user), user)))

    def stored(self, org: str, user: str) -> str:
        """What is stored in place of a user's id.

        Raises:
            MillraceError: people could not be read.
        """
        return self._people.ids(org, [user])[user]

    def users(self, org: str, texts: Iterable[str]) -> Mapping[int, str]:
        """The users' ids of the numbers within texts, all read at once.

        Raises:
            MillraceError: people could not be read.
        """
        numbers = set[int]().union(*map(identities.numbers_in, texts))
        return self._people.users(org, numbers) if numbers else {}

    def told(self, org: str, items: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
        """Items of an answer whose texts of these names speak of users by their ids.

        Raises:
            MillraceError: people could not be read.
        """
        texts = [{name: item[name] for name in names if isinstance(item.get(name), str)} for item in items]
        users = self.users(org, (text for one in texts for text in one.values()))
        if not users:
            return [*items]
        return [
            {**item, **{name: identities.with_ids(text, users) for name, text in one.items()}}
            for item, one in zip(items, texts, strict=True)
        ]
