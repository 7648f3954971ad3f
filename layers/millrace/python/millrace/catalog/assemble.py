"""The publishing of a run, with its stores."""

from collections.abc import Callable
from typing import Protocol

from millrace.catalog.checks import CheckEvents
from millrace.catalog.lineage_http import LineageServer, stored_key
from millrace.catalog.openlineage import Namespace
from millrace.catalog.publish import Publisher
from millrace.catalog.retirement_notices import RetirementNotices
from millrace.catalog.store import CatalogStore
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.objects import Objects
from millrace.core.settings import Environment
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.emit import Emitter
from millrace.warehouse import project


class PublisherSettings(Protocol):
    """The run's documents, the catalog, and where events of failed checks and of contracts that end are appended."""

    environment: Environment
    events_table: str
    type_shards: int
    metadata_table: str
    lake_bucket: str
    catalog_arn: str
    lineage_url: str
    lineage_key_parameter: str


def publisher(settings: PublisherSettings, log: Callable[[str], None]) -> Publisher:
    """What publishes runs."""
    contracts, dynamodb = registry.load(), client("dynamodb")
    appender = Appender({"table": TableAppender(Table(dynamodb, settings.events_table), log)})
    emitter = Emitter(contracts, appender, log, type_shards=settings.type_shards)
    metadata = Table(dynamodb, settings.metadata_table)
    return Publisher(
        Objects(client("s3"), settings.lake_bucket),
        metadata,
        Namespace(settings.environment, settings.lake_bucket, settings.catalog_arn),
        CheckEvents(contracts, emitter, log),
        RetirementNotices(contracts, CatalogStore(metadata), emitter),
        contracts,
        project.load(),
        lineage=LineageServer(settings.lineage_url, log, stored_key(settings.lineage_key_parameter)),
    )
