"""SQL over the lake as callers have it: rows of the tables and columns that they may read."""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from millrace.access.actions import OWN
from millrace.api.route import Call
from millrace.core.http import Problem
from millrace.privacy.suppressed import ANALYTICS
from millrace.queries.errors import QueryError
from millrace.queries.reader import Reader
from millrace.queries.service import Queries, Question

# Less than the gateway waits, so that a client gets the function's answer.
SECONDS = 25.0
_STATUS = {
    "sql": HTTPStatus.BAD_REQUEST,
    "refused": HTTPStatus.FORBIDDEN,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "timeout": HTTPStatus.UNPROCESSABLE_ENTITY,
    "cancelled": HTTPStatus.CONFLICT,
    "id_taken": HTTPStatus.CONFLICT,
    "busy": HTTPStatus.TOO_MANY_REQUESTS,
}
_BUSY_SECONDS = "2"
Numbers = Callable[[str, Iterable[str]], Mapping[str, str]]
"""A tenant and users' ids → the numbers of those who are known."""


class QueryApi:
    """Answers of the calls under `/v1/query`."""

    def __init__(self, queries: Queries, numbers: Numbers) -> None:
        """Makes no call. `numbers`: asked for callers who read rows of their own alone."""
        self._queries, self._numbers = queries, numbers

    def ask(self, call: Call) -> dict[str, Any]:
        """The rows of a statement, or a link to them."""
        reader, body = self._reader(call), call.body
        question = Question(body["sql"], body["limit"], body["format"], body.get("id", ""))
        try:
            return self._queries.ask(reader, question, SECONDS)
        except QueryError as error:
            headers = {"retry-after": _BUSY_SECONDS} if error.code == "busy" else {}
            raise Problem(
                _STATUS[error.code], str(error), headers=headers, audited=True, code=error.code
            ) from error

    def cancel(self, call: Call) -> dict[str, Any]:
        """Ends a running query of the caller's tenant."""
        if not self._queries.cancel(self._reader(call), call.values["id"]):
            raise Problem(HTTPStatus.NOT_FOUND, "no such query is running")
        return {"queryId": call.values["id"], "cancelled": True}

    def _reader(self, call: Call) -> Reader:
        caller, owner = call.request.authenticated, ""
        if caller.id and any(scope.startswith(OWN) for scope in caller.scopes):
            # Rows have numbers of people. Whose id is somebody's number is not that person, and whom no event names has no rows.
            owner = self._numbers(call.org, [caller.id]).get(caller.id, "")
        return Reader(caller.org, caller.principal, caller.scopes, owner, ANALYTICS)
