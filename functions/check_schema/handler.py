"""Edge: checks a contract against those in force, before it is deployed."""

from aws_lambda_powertools import Logger

from functions.check_schema.settings import Settings
from millrace.api.check import CheckApi
from millrace.api.guard import guard
from millrace.api.router import Router, routed
from millrace.contracts import registry
from millrace.core.edge import Handler, edge


@edge("check_schema", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers one call."""
    answers = {"POST /v1/schemas/check": CheckApi(registry.load()).check}
    return routed(Router(answers, log.warning, guard=guard(settings, log.warning)), log)
