"""Users' ids and the numbers that are stored in their places: of people in the tables of a platform, and without a table."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from millrace.core.table import Table
from millrace.privacy import assemble
from millrace.privacy.identities import NOBODY
from millrace.privacy.person import of_user

if TYPE_CHECKING:
    from tests.support.platform import Platform


class KnownUsers:
    """People of any tenant by their users' ids, such as `KnownUsers({"42": 4503599627370539})`."""

    def __init__(self, numbers: Mapping[str, int] | None = None) -> None:
        self.numbers_by_user = dict(numbers or {})

    def ids(self, org: str, users: Iterable[str], purpose: str = "") -> dict[str, str]:
        return {user: forms[0] for user, forms in self.forms(org, users, purpose).items()}

    def forms(self, org: str, users: Iterable[str], purpose: str = "") -> dict[str, tuple[str, ...]]:
        taken = {str(one) for one in self.numbers_by_user.values()}
        found = {}
        for user in users:
            number = [str(self.numbers_by_user[user])] if user in self.numbers_by_user else []
            found[user] = tuple(dict.fromkeys([*number, *([] if user in taken else [user])])) or (NOBODY,)
        return found

    def numbers(self, org: str, users: Iterable[str]) -> dict[str, str]:
        return {user: str(self.numbers_by_user[user]) for user in users if user in self.numbers_by_user}

    def users(self, org: str, numbers: Iterable[int]) -> dict[int, str]:
        by_number = {number: user for user, number in self.numbers_by_user.items()}
        return {one: by_number[one] for one in numbers if one in by_number}


def number_of(running: "Platform", user: str, org: str = "org_acme") -> str:
    """What a platform stores in place of a user's id. The person is made where no event of theirs has come yet."""
    metadata, people = Table(running.dynamodb, "Metadata"), Table(running.dynamodb, "SubjectKeys")
    name = of_user(user)
    known = assemble.subjects(people, metadata, running.kms_key).known_or_new(org, [name])
    return str(known[name].subject)
