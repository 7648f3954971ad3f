"""A model's answer to a transaction, or why there is none. No numpy: a reader of decisions does not need it."""

import base64
from typing import Literal, NamedTuple

from millrace.core.errors import PermanentError, RetryableError

MODEL = "fraud"
# A served score has this many decimals.
DECIMALS = 6
# A decision's `fallback` when a champion is in force and gave no answer.
WITHOUT_MODEL: Literal["model"] = "model"


class ScoringError(PermanentError):
    """This model cannot be served here; the message gives the reason."""


class ModelUnavailableError(RetryableError):
    """A champion is in force, or may be, and cannot be served now; the message gives the reason."""


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


ModelResult = Answer | Literal["model"] | None
"""An answer; `model` where a champion is in force and gave none; None where no model is in force."""


def version_text(version: str) -> str:
    """`fraud/00000003`."""
    return f"{MODEL}/{version}"


def pack(row: bytes | bytearray) -> str:
    """A row of inputs as text."""
    return base64.b64encode(row).decode()


def unpack(text: str) -> bytes:
    """The inverse of `pack`.

    Raises:
        ValueError: the text is not base64.
    """
    return base64.b64decode(text, validate=True)
