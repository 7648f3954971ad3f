"""From a route of the API's document to the function that answers it; every way out is an answer."""

import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger

from millrace.api.guard import Guard
from millrace.api.route import Call, Route, load_operations
from millrace.core import audit
from millrace.core.edge import Event, Handler
from millrace.core.errors import MillraceError
from millrace.core.http import FAULT, Document, Problem, Request, answer, problem_answer, read_request

# Returns what JSON can hold, or a `Document` where the answer is of another media type.
Function = Callable[[Call], object]


class Router:
    """Answers calls, each with its request's id."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        log: Callable[[str], None],
        operations: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        guard: Guard | None = None,
    ) -> None:
        """Makes a router; a route is prepared when it is first called.

        Args:
            functions: by route, such as `GET /v1/events/{eventId}`.
            log: takes what is not the caller's fault.
            operations: of the API's document by route, as it was compiled; without them those of the bundle in force.
            guard: of functions behind the authorizer; without one no call is counted here.
        """
        self._guard = guard
        self._functions, self._log = dict(functions), log
        self._operations = load_operations() if operations is None else operations
        self._routes: dict[str, Route] = {}

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The gateway's answer to the gateway's event."""
        request_id = str(event.get("requestContext", {}).get("requestId", ""))
        try:
            result, headers = self._answer(read_request(event))
            if isinstance(result, Document):
                return answer(
                    request_id,
                    result.payload,
                    status=result.status,
                    content_type=result.content_type,
                    headers={**headers, **result.headers},
                )
            return answer(request_id, result, headers=headers)
        except Problem as problem:
            return problem_answer(request_id, problem)
        except audit.BusyError as error:
            self._log(str(error))
            busy = Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too many calls of the tenant are written to its audit at once: try again",
                headers={"retry-after": "1"},
            )
            return problem_answer(request_id, busy)
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

    def _answer(self, request: Request) -> tuple[object, Mapping[str, str]]:
        name = request.route
        if name not in self._functions or name not in self._operations:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such call")
        route = self._routes.get(name)
        if route is None:
            route = self._routes[name] = Route(self._operations[name])
        headers: Mapping[str, str] = {}
        try:
            if self._guard is not None:
                headers = self._guard.admit(request, name)
            return self._functions[name](route.call(request)), headers
        except Problem as problem:
            if problem.status == HTTPStatus.FORBIDDEN and not problem.audited and self._guard is not None:
                self._guard.denied(request, problem)
            problem.headers = {**headers, **problem.headers}
            raise


def routed(router: Router, log: Logger) -> Handler:
    """The handler of a function that answers calls of the API; logs the route of each."""

    def call(event: Event, _: object) -> dict[str, Any]:
        log.info("call", extra={"route": event.get("routeKey")})
        return router(event)

    return call
