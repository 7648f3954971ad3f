"""Edge: deliveries of webhooks, believed by their signatures."""

from aws_lambda_powertools import Logger

from functions.receive_webhooks.settings import Settings
from millrace.api.guard import rates
from millrace.api.router import Router
from millrace.api.webhooks import WebhooksApi, doors
from millrace.core.aws import Lazy, client
from millrace.core.edge import Handler, edge
from millrace.core.table import Table
from millrace.feeders.states import States
from millrace.intake.assemble import intake
from millrace.webhooks.secrets import SecretStore, prefix
from millrace.webhooks.sources import readers, verify_of


@edge("receive_webhooks", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers each delivery."""
    api = WebhooksApi(
        doors(readers(settings.environment), lambda reader: verify_of(reader.webhook)),
        SecretStore(Lazy("secretsmanager"), prefix(settings.environment)),
        States(Table(client("dynamodb"), settings.metadata_table)),
        intake(settings, log.warning),
        rates(settings, log.warning),
        settings.environment,
        log.info,
    )
    router = Router({"POST /v1/webhooks/{binding}": api.receive}, log.warning)
    return lambda event, _: router(event)
