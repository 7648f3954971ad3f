"""Parameters of a call, read strictly: what is unknown or wrong is a 400 that says so."""

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus

from millrace.core import clock
from millrace.core.http import Problem, Request

LIMIT = 50
MOST = 500


def only(request: Request, known: Iterable[str]) -> None:
    """Checks the names of the query parameters.

    Raises:
        Problem: 400, one that this call does not take.
    """
    unknown = sorted(set(request.query) - set(known))
    if unknown:
        raise Problem(HTTPStatus.BAD_REQUEST, f"unknown parameter: {', '.join(unknown)}"[:200])


def moment(request: Request, name: str) -> datetime | None:
    """A moment with its offset, or None where the parameter is absent.

    Raises:
        Problem: 400, the text is no such moment.
    """
    text = request.query.get(name)
    if text is None:
        return None
    try:
        # A plus sign that was not encoded arrives as a space.
        return clock.parse(text.replace(" ", "+"))
    except (ValueError, OverflowError) as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST, f"{name} must be ISO-8601 with an offset, like 2026-11-21T06:00:00Z"
        ) from error


def limit(request: Request) -> int:
    """How many items a page holds, 1 to 500.

    Raises:
        Problem: 400, no such number.
    """
    text = request.query.get("limit", str(LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MOST):
        raise Problem(HTTPStatus.BAD_REQUEST, f"limit must be a number from 1 to {MOST}")
    return int(text)
