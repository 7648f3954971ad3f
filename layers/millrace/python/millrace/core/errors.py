"""One root and two branches: the branch says whether trying again can help."""

from collections.abc import Mapping
from typing import Any


class MillraceError(Exception):
    """Root of all errors raised by the platform's own code."""


class RetryableError(MillraceError):
    """A dependency failed; the same work may succeed later."""


class PermanentError(MillraceError):
    """The work can never succeed as it stands."""


class ThrottledError(RetryableError):
    """A dependency asked for less; worth trying again after a pause."""


# Codes of AWS services that mean "not now". Everything else from a service is taken as a failing
# dependency too (see from_client_error), except what says that the request itself is wrong.
THROTTLES = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "SlowDown",
        "LimitExceededException",
    }
)
_WRONG_REQUEST = frozenset(
    {"ValidationException", "InvalidParameterValueException", "InvalidArgumentException"}
)


def error_code(response: Mapping[str, Any] | None) -> str:
    """The AWS error code of a botocore error response, or an empty string.

    None is what a timeout or a broken connection carries as its response.
    """
    return str((response or {}).get("Error", {}).get("Code", ""))


def from_client_error(error: Exception, doing: str) -> MillraceError:
    """Maps a botocore error to the branch that decides retry or dead letter.

    Args:
        error: what botocore raised: a `ClientError`, or a connection or timeout error.
        doing: what was being done, for the message ("put event").
    """
    code = error_code(getattr(error, "response", {}))
    message = f"{doing}: {code or type(error).__name__}"
    if code in THROTTLES:
        return ThrottledError(message)
    if code in _WRONG_REQUEST:
        return PermanentError(f"{message}: {error}")
    return RetryableError(message)


def in_a_line(error: BaseException, length: int = 300) -> str:
    """What an error says, in one line that any store takes; its type where it says nothing.

    Args:
        error: any.
        length: of the line at most, in characters.
    """
    said = " ".join(str(error).split()) or type(error).__name__
    # A text of foreign code may end in the middle of a character.
    return said.encode("utf-8", "replace").decode()[:length]
