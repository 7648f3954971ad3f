"""Edge: archives the log in the lake."""

from aws_lambda_powertools import Logger

from functions.archive_events.settings import Settings
from millrace.archive.archive import Archive
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.edge import Handler, edge
from millrace.eventstore.batches import batches
from millrace.eventstore.codec import Codec


@edge("archive_events", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Archives a batch; raises if a store fails, and the batch is delivered again."""
    codec = Codec(registry.load().dictionary)
    archive = Archive(client("s3"), client("dynamodb"), codec, settings.lake_bucket, settings.metadata_table)
    return batches({"archive_events": archive.write}, settings.lake_bucket, log)
