"""Edge: every read of the HTTP API."""

from aws_lambda_powertools import Logger

from functions.read_api.settings import Settings
from millrace.api.guard import guard
from millrace.api.reads import reads
from millrace.api.router import routed
from millrace.core.edge import Handler, edge


@edge("read_api", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers one call."""
    return routed(reads(settings, log.warning, guard(settings, log.warning)), log)
