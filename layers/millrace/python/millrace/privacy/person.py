"""Whom an event is about, and under which name that person is found. Pure.

A name says what it is: `user:42`, `session:s-1`, or, for events of nobody, `nobody:2026-11`, which all events of a month share.
A user who is called `session:s-1` is `user:session:s-1`.
"""

from collections.abc import Mapping
from typing import Any

from millrace.contracts import pointers
from millrace.contracts.contract import Contract

_USER = "user:"


def name_of(envelope: Mapping[str, Any], contract: Contract) -> str:
    """The name of the person that an event is about.

    It is the value of the contract's `subject`, else the envelope's user, else its session. An event with none of them is
    nobody's: its values are sealed for all such events of the month of its own timestamp, the same at each delivery.

    Args:
        envelope: with `platform`.
        contract: of its type.
    """
    subject = (
        None
        if contract.subject is None
        else pointers.as_text(pointers.read(envelope, pointers.parse(contract.subject)))
    )
    user = subject or pointers.as_text(envelope.get("userId"))
    if user:
        return of_user(user)
    session = pointers.as_text(envelope.get("sessionId"))
    return f"session:{session}" if session else f"nobody:{envelope['platform']['day'][:7]}"


def of_user(user: str) -> str:
    """The name of a user."""
    return _USER + user


def user_in(name: str) -> str | None:
    """The user's id in a name; None for a session, and for nobody."""
    return name.removeprefix(_USER) if name.startswith(_USER) else None
