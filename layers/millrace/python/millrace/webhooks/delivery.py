"""A delivery of a webhook, as it was received, and why it is not believed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class SignatureError(Exception):
    """The delivery is not signed with a secret that is in force, or was signed too long ago. Says nothing of secrets."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is signed, and what it is signed with.

    Attributes:
        method: of the call, in capitals.
        url: that was called, as the sender knows it.
        headers: by their names in small letters.
        body: its bytes, before anything is made of them.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Verify(Protocol):
    """A scheme of signatures."""

    def __call__(self, delivery: Delivery, secrets: Sequence[str], now: datetime) -> None:
        """Comes back if the delivery is signed with one of the secrets.

        Raises:
            SignatureError: it is not.
        """
        ...


def header(delivery: Delivery, name: str) -> str:
    """A header's value.

    Raises:
        SignatureError: there is none.
    """
    value = delivery.headers.get(name, "")
    if not value:
        raise SignatureError(f"there is no header {name}")
    return value


def check_age(text: str, now: datetime, seconds: float, *, in_a_second: int = 1) -> None:
    """Whether a signature was made around now.

    Args:
        text: when it was made, as the sender writes it: digits.
        now: when it came.
        seconds: that it may be older, or newer: neither clock is right.
        in_a_second: units of the text in a second; 1000 where it counts milliseconds.

    Raises:
        SignatureError: it is none, or too far away.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 17):
        raise SignatureError("the signature's time is not a number")
    if abs(now.timestamp() - int(text) / in_a_second) > seconds:
        raise SignatureError(f"the signature is not from the {seconds:g} seconds around now")
