"""Edge: events posted to the HTTP API."""

from aws_lambda_powertools import Logger

from functions.post_events.settings import Settings
from millrace.api.guard import guard, rates
from millrace.api.post import PostApi
from millrace.api.router import Router
from millrace.core.edge import Handler, edge
from millrace.intake.assemble import intake


@edge("post_events", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers for each event of the request."""
    counted = rates(settings, log.warning)
    posts = PostApi(intake(settings, log.warning), counted, settings.environment, log.info)
    router = Router({"POST /v1/events": posts.post}, log.warning, guard=guard(settings, log.warning))
    return lambda event, _: router(event)
