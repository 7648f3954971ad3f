"""SQL over the lake as callers have it: rows of the tables and columns that they may read."""

from http import HTTPStatus
from typing import Any

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


class QueryApi:
    """Answers of the calls under `/v1/query`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def ask(self, call: Call) -> dict[str, Any]:
        """The rows of a statement, or a link to them."""
        reader, body = _reader(call), call.body
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
        if not self._queries.cancel(_reader(call), call.values["id"]):
            raise Problem(HTTPStatus.NOT_FOUND, "no such query is running")
        return {"queryId": call.values["id"], "cancelled": True}


def _reader(call: Call) -> Reader:
    caller = call.request.authenticated
    return Reader(caller.org, caller.principal, caller.scopes, caller.id, ANALYTICS)
