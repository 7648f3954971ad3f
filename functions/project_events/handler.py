"""Edge: projects the stream of the Events table into the read models."""

from aws_lambda_powertools import Logger

from functions.project_events.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.edge import Handler, edge
from millrace.core.table import Table
from millrace.eventstore.batches import batches
from millrace.eventstore.codec import Codec
from millrace.eventstore.projection import Projection


@edge("project_events", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Projects a batch; raises if a table fails, and the batch is delivered again."""
    contracts = registry.load()
    projection = Projection(
        Table(client("dynamodb"), settings.user_events_table),
        Codec(contracts.dictionary),
        contracts.deployed,
    )
    return batches({"project_events": projection.project}, settings.lake_bucket, log)
