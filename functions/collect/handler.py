"""Edge: events from browsers and from SDKs of other systems, by a write key."""

from aws_lambda_powertools import Logger

from functions.collect.settings import Settings
from millrace.access.recognition import Credentials, RememberedKeys
from millrace.api import cross_origin
from millrace.api.collect import CollectApi, with_code
from millrace.api.guard import rates
from millrace.api.post import PostApi
from millrace.api.router import Router
from millrace.core.aws import client
from millrace.core.edge import Handler, edge
from millrace.core.table import Table
from millrace.intake.assemble import intake


@edge("collect", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers each client in the form that it expects."""
    counted = rates(settings, log.warning)
    posts = PostApi(intake(settings, log.warning), counted, settings.environment, log.info)
    keys = RememberedKeys(Credentials(Table(client("dynamodb"), settings.metadata_table)))
    router = Router(CollectApi(posts.take, keys).functions(), log.warning)
    return lambda event, _: cross_origin.readable(event, with_code(router(event)), keys)
