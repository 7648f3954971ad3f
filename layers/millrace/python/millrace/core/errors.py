"""One root and two branches: the branch says whether trying again can help."""

from collections.abc import Mapping
from typing import Any


class MillraceError(Exception):
    """Root of all errors raised by the platform's own code.

    Attributes:
        code: the AWS error code that it was made from; empty if there was none.
    """

    code = ""


class RetryableError(MillraceError):
    """A dependency failed; the same work may succeed later."""


class PermanentError(MillraceError):
    """The work can never succeed as it stands."""


class ThrottledError(RetryableError):
    """A dependency asked for less; worth trying again after a pause."""


class NotFoundError(RetryableError):
    """An object that must be there is not, or not yet."""


class ConditionFailedError(RetryableError):
    """The condition of a write did not hold: somebody else wrote first.

    Attributes:
        item: the item that is there, if the call asked for it; else empty.
    """

    item: dict[str, dict[str, Any]]


class NotDeployedError(PermanentError):
    """It needs what this deployment does not have, a contract or a dictionary: permanent, unless a deploy is under way."""


class ItemTooLargeError(PermanentError):
    """An item would exceed DynamoDB's 400 KB."""


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
_NOT_FOUND = frozenset({"NoSuchKey", "404", "EntityNotFoundException"})
# Of DynamoDB, then of S3, whose 409 says that another conditional write of the key is under way.
_CONDITION_FAILED = frozenset(
    {"ConditionalCheckFailedException", "PreconditionFailed", "412", "ConditionalRequestConflict"}
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
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    code = error_code(response)
    message = f"{doing}: {code or type(error).__name__}"
    mapped: MillraceError
    if code in _CONDITION_FAILED or _cancelled_by_a_condition(response):
        mapped = failed = ConditionFailedError(message)
        failed.item = response.get("Item", {})
    elif code in _WRONG_REQUEST:
        kind = ItemTooLargeError if "item size" in str(error).lower() else PermanentError
        mapped = kind(f"{message}: {error}")
    elif code in THROTTLES:
        mapped = ThrottledError(message)
    else:
        mapped = NotFoundError(message) if code in _NOT_FOUND else RetryableError(message)
    mapped.code = code
    return mapped


def _cancelled_by_a_condition(response: Mapping[str, Any]) -> bool:
    """Whether a transaction failed by its conditions and by no conflict, after which trying again may help."""
    codes = {reason.get("Code") for reason in response.get("CancellationReasons", ())}
    return "ConditionalCheckFailed" in codes and "TransactionConflict" not in codes


def in_a_line(error: BaseException, length: int = 300) -> str:
    """What an error says, in one line that any store takes; its type where it says nothing.

    Args:
        error: any.
        length: of the line at most, in characters.
    """
    said = " ".join(str(error).split()) or type(error).__name__
    # A text of foreign code may end in the middle of a character.
    return said.encode("utf-8", "replace").decode()[:length]
