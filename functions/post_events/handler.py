"""Edge: events posted to the HTTP API, and addresses for files of them."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger

from functions.post_events.settings import Settings
from millrace.api.guard import guard, rates
from millrace.api.post import PostApi
from millrace.api.route import Call
from millrace.api.router import Router
from millrace.core.edge import Handler, edge
from millrace.intake.assemble import intake


@edge("post_events", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers for each event of the request."""
    counted = rates(settings, log.warning)
    posts = PostApi(intake(settings, log.warning), counted, settings.environment, log.info)
    calls = {"POST /v1/events": posts.post, "POST /v1/imports": _uploads(settings)}
    router = Router(calls, log.warning, guard=guard(settings, log.warning))
    return lambda event, _: router(event)


def _uploads(settings: Settings) -> Callable[[Call], Any]:
    """What gives out addresses. It is made at each call, which is rare: a copy that begins for events does not wait for it."""

    def begin(call: Call) -> Any:
        from millrace.api.imports import uploads  # noqa: PLC0415

        return uploads(settings.environment, settings.lake_bucket, settings.metadata_table).begin(call)

    return begin
