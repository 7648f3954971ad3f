"""The publishing of a run, with its stores."""

from collections.abc import Callable
from typing import Protocol

from millrace.catalog.checks import CheckEvents
from millrace.catalog.openlineage import Namespace
from millrace.catalog.publish import Publisher
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.objects import Objects
from millrace.core.settings import Environment
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.emit import Emitter
from millrace.warehouse import project


class PublisherSettings(Protocol):
    """The run's documents, the catalog, and where events of failed checks are appended."""

    environment: Environment
    events_table: str
    type_shards: int
    metadata_table: str
    lake_bucket: str


def publisher(settings: PublisherSettings, log: Callable[[str], None]) -> Publisher:
    """What publishes runs."""
    contracts, dynamodb = registry.load(), client("dynamodb")
    appender = Appender({"table": TableAppender(Table(dynamodb, settings.events_table), log)})
    emitter = Emitter(contracts, appender, log, type_shards=settings.type_shards)
    return Publisher(
        Objects(client("s3"), settings.lake_bucket),
        Table(dynamodb, settings.metadata_table),
        Namespace(settings.environment, settings.lake_bucket),
        CheckEvents(contracts, emitter, log),
        contracts,
        project.load(),
    )
