"""Events posted to the HTTP API: read, counted against the tenant's rate, accepted, answered one by one."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from millrace.api.route import Call
from millrace.core import clock
from millrace.core.http import JSON, Caller, Document, Request
from millrace.intake import answer as answers
from millrace.intake import refusals
from millrace.intake.accept import Intake
from millrace.intake.case import EventResult
from millrace.intake.enrich import Origin
from millrace.intake.parse import Candidate, body_of, candidates, media_type_of
from millrace.producers import cloudevents
from millrace.rates.rates import Rates


class PostApi:
    """Answers `POST /v1/events`, and takes what other doors have read."""

    def __init__(self, intake: Intake, rates: Rates, environment: str, log: Callable[..., Any]) -> None:
        """`environment` stands on metrics; `log` takes a line for each request."""
        self._intake, self._rates, self._environment, self._log = intake, rates, environment, log

    def post(self, call: Call) -> Document:
        """A result for each event of the request.

        Raises:
            Problem: the body cannot be read as events, or the tenant sends too many.
        """
        request = call.request
        results, headers = self._taken(request, request.authenticated, _read(request), clock.now())
        return Document(answers.body(results), JSON, answers.status(results), headers)

    def take(
        self, request: Request, caller: Caller, events: Sequence[Candidate], received_at: datetime
    ) -> list[EventResult]:
        """A result for each event.

        Raises:
            Problem: 429, the tenant or the credential sends too many.
        """
        return self._taken(request, caller, events, received_at)[0]

    def _taken(
        self, request: Request, caller: Caller, events: Sequence[Candidate], received_at: datetime
    ) -> tuple[list[EventResult], dict[str, str]]:
        headers = self._rates.take_events(caller, len(events))
        facts = {"userAgent": request.headers.get("user-agent", ""), "clientAddress": request.source_ip}
        origin = Origin(caller.org, caller.principal, request.request_id, received_at, facts=facts)
        results = self._intake.accept(events, origin)
        refusals.emit_metrics(results, self._environment)
        self._log("request", extra={"org": caller.org, "events": len(results)})
        return results, headers


def _read(request: Request) -> list[Candidate]:
    body, content_type = body_of(request.body, request.headers), request.headers.get("content-type", "")
    media_type = media_type_of(content_type)
    if cloudevents.is_cloudevent(request.headers, media_type):
        return cloudevents.candidates(body, request.headers, media_type)
    return candidates(body, media_type)
