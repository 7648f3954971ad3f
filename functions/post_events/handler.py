"""Edge: events posted to the HTTP API, and addresses for files of them."""

from aws_lambda_powertools import Logger

from functions.post_events.settings import Settings
from millrace.api.guard import guard, rates
from millrace.api.imports import UploadsApi
from millrace.api.post import PostApi
from millrace.api.router import Router
from millrace.contracts import registry
from millrace.core.aws import client, links
from millrace.core.edge import Handler, edge
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.intake.assemble import intake


@edge("post_events", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers for each event of the request."""
    counted = rates(settings, log.warning)
    posts = PostApi(intake(settings, log.warning), counted, settings.environment, log.info)
    uploads = UploadsApi(
        Objects(links(bucket_in_path=settings.environment == "local"), settings.lake_bucket),
        Table(client("dynamodb"), settings.metadata_table),
        registry.load(),
    )
    calls = {"POST /v1/events": posts.post, "POST /v1/imports": uploads.begin}
    router = Router(calls, log.warning, guard=guard(settings, log.warning))
    return lambda event, _: router(event)
