"""Edge: windows of aggregates. A function of its own, because sketches bring numpy."""

from aws_lambda_powertools import Logger

from functions.read_analytics.settings import Settings
from millrace.aggregates import registry
from millrace.api.analytics import AnalyticsApi
from millrace.api.guard import guard
from millrace.api.router import Router, routed
from millrace.api.user_ids import UserIds
from millrace.core.aws import client
from millrace.core.edge import Handler, edge
from millrace.core.table import Table
from millrace.privacy import assemble as privacy


@edge("read_analytics", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers one call."""
    dynamodb = client("dynamodb")
    table, metadata = Table(dynamodb, settings.analytics_table), Table(dynamodb, settings.metadata_table)
    people = privacy.subjects(Table(dynamodb, settings.subject_keys_table), metadata, settings.tenant_key_id)
    analytics = AnalyticsApi(table, registry.load(), UserIds(people), log.warning)
    functions = {"GET /v1/analytics": analytics.list, "GET /v1/analytics/{metric}": analytics.get}
    return routed(Router(functions, log.warning, guard=guard(settings, log.warning)), log)
