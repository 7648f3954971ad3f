"""Parameters of a call, read strictly: what is unknown or wrong is a 400 that says so."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from http import HTTPStatus

from millrace.core import clock
from millrace.core.http import Problem, Request
from millrace.eventstore import cursor as cursors

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
    # A plus sign that was not encoded arrives as a space.
    return None if text is None else read_moment(text.replace(" ", "+"), name)


def read_moment(text: str, name: str) -> datetime:
    """A moment with its offset.

    Raises:
        Problem: 400, the text is no such moment.
    """
    try:
        return clock.parse(text)
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


class Cursor:
    """The cursors of one tenant's query."""

    def __init__(self, org: str, query: Mapping[str, object]) -> None:
        self._org, self._query = org, dict(query)

    def read(self, request: Request, is_position: Callable[[str], bool]) -> str | None:
        """The position that the request's cursor stands for; None where it has none.

        Raises:
            Problem: 400, it is broken, of another tenant or query, or of a version that kept positions otherwise.
        """
        text = request.query.get("cursor")
        return None if text is None else self.position(text, is_position)

    def position(self, text: str, is_position: Callable[[str], bool]) -> str:
        """The position that a cursor stands for.

        Raises:
            Problem: 400, as `read`.
        """
        try:
            found = cursors.decode(self._org, self._query, text)
        except cursors.BadCursorError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
        if not is_position(found):
            raise Problem(HTTPStatus.BAD_REQUEST, "the cursor is of another version: begin without one")
        return found

    def write(self, position: str) -> str:
        """A cursor that goes on after this position."""
        return cursors.encode(self._org, self._query, position)
