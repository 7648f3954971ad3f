"""Users' ids in questions and answers: what is stored has the numbers of people in their places."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from millrace.privacy import identities


class People(Protocol):
    """What `privacy.subjects.Subjects` says of users."""

    def forms(self, org: str, users: Iterable[str], purpose: str = "") -> Mapping[str, tuple[str, ...]]:
        """The user's id → what the user's rows may be found by: what is stored in place of the id, and the id of rows from before."""
        ...

    def numbers(self, org: str, users: Iterable[str]) -> Mapping[str, str]:
        """The user's id → the person's number, of those who are known."""
        ...

    def users(self, org: str, numbers: Iterable[int]) -> Mapping[int, str]:
        """Number → the user's id, of those whose values may be shown."""
        ...


class UserIds:
    """Turns users' ids into what is stored, and numbers into users' ids. Of nobody who is named it reads nothing."""

    def __init__(self, people: People) -> None:
        """Makes no call."""
        self._people = people

    def keys(self, org: str, user: str, purpose: str = "") -> tuple[str, ...]:
        """What rows of a user may be found by: the person's number, and the id as it is, which rows from before have.

        What is given is an id. No number leads to the events of who has it: a client chooses its users' ids, and so may choose
        the number of another one. `GET /v1/subjects/{id}?by=number` says whose id to ask by.

        Args:
            org: the tenant.
            user: the id.
            purpose: what is read for; of who is restricted or has withdrawn it nothing is found. Empty for what such a one is
                shown of, too, such as events, whose values are hidden.

        Raises:
            MillraceError: people could not be read.
        """
        return self._people.forms(org, [user], purpose)[user]

    def stored(self, org: str, user: str, purpose: str = "") -> str:
        """What is stored in place of a user's id, as `keys` has it first.

        Raises:
            MillraceError: people could not be read.
        """
        return self.keys(org, user, purpose)[0]

    def number(self, org: str, user: str) -> str | None:
        """The number of the person who has this id; None where nobody has it.

        Raises:
            MillraceError: people could not be read.
        """
        return self._people.numbers(org, [user]).get(user)

    def users(self, org: str, numbers: Iterable[int]) -> Mapping[int, str]:
        """The users' ids of these numbers, all read at once.

        Raises:
            MillraceError: people could not be read.
        """
        wanted = set(numbers)
        return self._people.users(org, wanted) if wanted else {}

    def told(
        self, org: str, items: Sequence[dict[str, Any]], whom: Sequence[set[int]], names: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Items of an answer whose texts of these names speak of users by their ids.

        Args:
            org: the tenant.
            items: as they are stored.
            whom: whom the texts of each item may name, in order (`identities.named`).
            names: of the texts.

        Raises:
            MillraceError: people could not be read.
        """
        users = self.users(org, set[int]().union(*whom))
        made = []
        for item, named in zip(items, whom, strict=True):
            known = {one: users[one] for one in named if one in users}
            texts = {name: item[name] for name in names if known and isinstance(item.get(name), str)}
            made.append({**item, **{name: identities.with_ids(text, known) for name, text in texts.items()}})
        return made
