"""Edge: archives the log in the lake."""

from functools import partial

from aws_lambda_powertools import Logger

from functions.archive_events.settings import Settings
from millrace.archive.archive import Archive
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.edge import Handler, edge
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import positions
from millrace.eventstore.batches import batches
from millrace.eventstore.codec import Codec


@edge("archive_events", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Archives a batch; raises if a store fails, and the batch is delivered again."""
    codec = Codec(registry.load().dictionary)
    lake = Objects(client("s3"), settings.lake_bucket)
    metadata = Table(client("dynamodb"), settings.metadata_table)
    archive = Archive(lake, metadata, codec)
    settled = partial(positions.record, metadata)
    return batches({"archive_events": archive.write}, settings.lake_bucket, log, settled)
