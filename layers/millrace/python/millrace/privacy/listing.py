"""Who may not be read of: what an item of SubjectKeys says of that in the index `listed`, which holds nobody else. Pure.

`listed` is `<number>#<purposes>`: the person's number, and the purposes that were withdrawn, or `*` where the person is restricted.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from millrace.core import keys
from millrace.privacy.consent import Statement

INDEX = "listed-index"
KEY, LISTED = "listedKey", "listed"
EVERYTHING = "*"


def partition(org: str) -> str:
    """Where the people of a tenant are listed."""
    return keys.join(org, "listed")


def entry(subject: int, consents: Mapping[str, Any], *, restricted: bool) -> str | None:
    """What is listed of a person; None of one of whom everything may be read.

    Args:
        subject: the person's number.
        consents: purpose → what was said of it, in DynamoDB's form.
        restricted: whether nothing of the person may be used.
    """
    withdrawn = sorted(name for name, said in consents.items() if not Statement.of_item(said).granted)
    purposes = [EVERYTHING] if restricted else withdrawn
    return f"{subject}{keys.SEPARATOR}{','.join(purposes)}" if purposes else None


def change(org: str, listed: str | None) -> tuple[str, dict[str, Any]]:
    """The part of an update that lists a person, or takes them from the list: clauses behind others of SET, and values."""
    if listed is None:
        return f" REMOVE {KEY}, {LISTED}", {}
    return (
        f", {KEY} = :listedKey, {LISTED} = :listed",
        {":listedKey": {"S": partition(org)}, ":listed": {"S": listed}},
    )


def of_purpose(entries: Iterable[str], purpose: str) -> frozenset[str]:
    """The numbers, as text, of those who may not be read of for a purpose."""
    found = set()
    for one in entries:
        number, _, purposes = one.partition(keys.SEPARATOR)
        if purposes == EVERYTHING or purpose in purposes.split(","):
            found.add(number)
    return frozenset(found)
