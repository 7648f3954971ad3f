"""Edge: access by request. A function of its own, because the policies decide about each request, and Cedar is a layer."""

from aws_lambda_powertools import Logger

from functions.decide_grants.settings import Settings
from millrace.access import cedar
from millrace.access.grant_store import GrantStore
from millrace.api.grants import GrantsApi
from millrace.api.guard import guard
from millrace.api.router import Router, routed
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.edge import Handler, edge
from millrace.core.table import Table


@edge("decide_grants", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers one call."""
    metadata = Table(client("dynamodb"), settings.metadata_table)
    grants = GrantsApi(
        GrantStore(metadata), metadata, cedar.load(), lambda: frozenset(registry.load().tables())
    )
    answers = {
        "GET /v1/grants": grants.list,
        "POST /v1/grants": grants.request,
        "POST /v1/grants/{id}/approve": grants.approve,
        "POST /v1/grants/{id}/refuse": grants.refuse,
        "POST /v1/grants/{id}/revoke": grants.revoke,
    }
    return routed(Router(answers, log.warning, guard=guard(settings, log.warning)), log)
