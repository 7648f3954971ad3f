"""What a model says of a transaction, and what it was told. No numpy: whoever only reads decisions needs none."""

import base64
from typing import Literal, NamedTuple

MODEL = "fraud"
# A served score has so many decimals.
DECIMALS = 6
# What stands in a decision's `fallback` when a champion is in force and could not be asked.
WITHOUT_MODEL: Literal["model"] = "model"


class Answer(NamedTuple):
    """A model's answer.

    Attributes:
        version: `fraud/00000003`.
        score: the probability of fraud, rounded to six decimals.
        inputs: the row that the graph was given, float32 little endian, as base64.
    """

    version: str
    score: float
    inputs: str


Said = Answer | Literal["model"] | None
"""An answer; that there is none though a champion is in force; or that no model is in force."""


def version_text(version: str) -> str:
    """`fraud/00000003`."""
    return f"{MODEL}/{version}"


def pack(row: bytes | bytearray) -> str:
    """A row of inputs as text."""
    return base64.b64encode(row).decode()


def unpack(text: str) -> bytes:
    """The inverse of `pack`.

    Raises:
        ValueError: it is no such text.
    """
    return base64.b64decode(text, validate=True)
