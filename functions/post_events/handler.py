"""Edge: events posted to the HTTP API."""

from aws_lambda_powertools import Logger

from functions.post_events.settings import Settings
from millrace.api.post import PostApi
from millrace.api.router import Router
from millrace.core.edge import Handler, edge
from millrace.intake.assemble import intake
from millrace.intake.rate import RateLimiter


@edge("post_events", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers for each event of the request."""
    limiter = RateLimiter(settings.events_per_second)
    posts = PostApi(intake(settings, log.warning), limiter, settings.environment, log.info)
    router = Router({"POST /v1/events": posts.post}, log.warning)
    return lambda event, _: router(event)
