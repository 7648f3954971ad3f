"""Edge: events posted to the HTTP API."""

import os
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger

from functions.post_events.settings import Settings
from millrace.core import clock
from millrace.core.http import FAULT, Problem, answer, problem_answer, read_request
from millrace.core.log import logger
from millrace.intake import answer as answers
from millrace.intake import refusals
from millrace.intake.accept import Intake
from millrace.intake.assemble import intake
from millrace.intake.enrich import Origin
from millrace.intake.parse import body_of, candidates
from millrace.intake.rate import RateLimiter

SCOPE = "events:write"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger("post_events", _settings().log_level)


@cache
def _limiter() -> RateLimiter:
    return RateLimiter(_settings().events_per_second)


@cache
def _intake() -> Intake:
    return intake(_settings(), _log().warning)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers for each event of the request."""
    request_id = str(event.get("requestContext", {}).get("requestId", ""))
    try:
        request = read_request(event)
        caller = request.authenticated
        caller.require(SCOPE)
        found = candidates(body_of(request.body, request.headers), request.headers.get("content-type", ""))
        _limiter().take(caller.org, len(found))
    except Problem as problem:
        return problem_answer(request_id, problem)
    facts = {"userAgent": request.headers.get("user-agent", ""), "clientAddress": request.source_ip}
    origin = Origin(caller.org, caller.principal, request.request_id, clock.now(), facts=facts)
    try:
        results = _intake().accept(found, origin)
    except Exception:  # noqa: BLE001  a caller gets an answer, and the log the reason
        _log().exception("fault")
        return problem_answer(request_id, Problem(HTTPStatus.INTERNAL_SERVER_ERROR, FAULT))
    refusals.tell(results, _settings().environment)
    _log().info("request", extra={"org": caller.org, "events": len(results)})
    return answer(request_id, answers.body(results), status=answers.status(results))
