"""From a route to the function that answers it, with the right that the API's own document asks for."""

import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger

from millrace.core.edge import Event, Handler
from millrace.core.errors import MillraceError
from millrace.core.http import FAULT, Document, Problem, Request, answer, problem_answer, read_request

Answer = Callable[[Request], object]
METHODS = ("get", "post", "put", "delete")


def scopes(openapi: Mapping[str, Any]) -> dict[str, str | None]:
    """The right that each route asks for; None for an open one. Keys are routes: `GET /v1/events/{eventId}`."""
    return {
        f"{method.upper()} {path}": operation.get("x-millrace-scope")
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    }


class Router:
    """Answers calls; every way out is an answer with the request's id."""

    def __init__(
        self,
        answers: Mapping[str, Answer],
        openapi: Mapping[str, Any],
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._answers, self._scopes, self._log = dict(answers), scopes(openapi), log

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The gateway's answer to the gateway's event."""
        request_id = str(event.get("requestContext", {}).get("requestId", ""))
        try:
            found = self._answer(read_request(event))
            if isinstance(found, Document):
                return answer(request_id, found.payload, status=found.status, content_type=found.content_type)
            return answer(request_id, found)
        except Problem as problem:
            return problem_answer(request_id, problem)
        except MillraceError as error:
            self._log(str(error))
            unavailable = Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "a store did not answer: try again",
                headers={"retry-after": "1"},
            )
            return problem_answer(request_id, unavailable)
        except Exception as error:  # noqa: BLE001  a caller gets an answer, and the log the reason
            self._log("".join(traceback.format_exception(error)))
            fault = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, FAULT)
            return problem_answer(request_id, fault)

    def _answer(self, request: Request) -> object:
        found = self._answers.get(request.route)
        if found is None or request.route not in self._scopes:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such call")
        scope = self._scopes[request.route]
        if scope is not None:
            request.authenticated.require(scope)
        return found(request)


def routed(router: Router, log: Logger) -> Handler:
    """The handler of a function that answers calls of the API; logs the route of each."""

    def call(event: Event, _: object) -> dict[str, Any]:
        log.info("call", extra={"route": event.get("routeKey")})
        return router(event)

    return call
