"""Edge: the end of a run: catalog, lineage, results, receipts."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.publish_run.settings import Settings
from millrace.catalog.checks import CheckEvents
from millrace.catalog.openlineage import Namespace
from millrace.catalog.publish import Publisher, Stores, metrics
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.core.metrics import emit
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.emit import Emitter
from millrace.warehouse import project

NAME = "publish_run"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


@cache
def _publisher() -> Publisher:
    settings, contracts = _settings(), registry.load()
    namespace = Namespace(settings.environment, settings.lake_bucket)
    table = TableAppender(client("dynamodb"), settings.events_table, _log().warning)
    return Publisher(
        Stores(client("s3"), client("dynamodb"), settings.metadata_table, namespace),
        CheckEvents(
            contracts, Emitter(contracts, Appender({"table": table}), _log().warning), _log().warning
        ),
        contracts,
        project.load(),
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Publishes a run; a store that does not take it raises, and publishing again changes nothing."""
    summary = _publisher().publish(event["runId"], event.get("unpinned", ""))
    emit(NAME, _settings().environment, metrics(summary))
    _log().info(
        "run", extra={"run": summary.run, "status": summary.status, "failures": summary.failures[:20]}
    )
    return {"runId": summary.run, "status": summary.status}
