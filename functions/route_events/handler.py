"""Edge: publishes the log on the bus."""

from aws_lambda_powertools import Logger

from functions.route_events.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.edge import Handler, edge
from millrace.core.table import Table
from millrace.eventstore.batches import batches
from millrace.eventstore.codec import Codec
from millrace.routing.route import BusPublisher


@edge("route_events", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Publishes a batch; raises if the bus fails, and the batch is delivered again."""
    contracts = registry.load()
    publisher = BusPublisher(
        client("events"),
        Table(client("dynamodb"), settings.metadata_table),
        Codec(contracts.dictionary),
        contracts.is_routed,
        settings.event_bus,
        # The canary's own tenant sends its type.
        derived=[name for name, tenants in contracts.derived_types.items() if not tenants],
    )
    return batches({"route_events": publisher.publish}, settings.lake_bucket, log)
