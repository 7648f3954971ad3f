"""Edge: windows of aggregates. A function of its own, because sketches bring numpy."""

from aws_lambda_powertools import Logger

from functions.read_analytics.settings import Settings
from millrace.aggregates import registry
from millrace.api.analytics import AnalyticsApi
from millrace.api.router import Router, routed
from millrace.core.aws import client
from millrace.core.edge import Handler, edge
from millrace.core.table import Table


@edge("read_analytics", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers one call."""
    table = Table(client("dynamodb"), settings.analytics_table)
    analytics = AnalyticsApi(table, registry.load(), log.warning)
    functions = {"GET /v1/analytics": analytics.list, "GET /v1/analytics/{metric}": analytics.get}
    return routed(Router(functions, log.warning), log)
