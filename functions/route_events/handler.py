"""Edge: the log, to be published on the bus."""

import os
from dataclasses import asdict
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.route_events.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.consumer import Consumer, LakeDeadLetters
from millrace.core.log import logger
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import body_size
from millrace.routing.route import Router

NAME = "route_events"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


@cache
def _consumer() -> Consumer:
    settings, contracts = _settings(), registry.load()
    router = Router(
        client("events"),
        client("dynamodb"),
        Codec(contracts.dictionary),
        contracts.is_routed,
        settings.event_bus,
        settings.metadata_table,
        # The canary's own tenant sends its type.
        derived=[name for name, tenants in contracts.derived_types.items() if not tenants],
    )
    dead_letters = LakeDeadLetters(client("s3"), settings.lake_bucket, NAME)
    return Consumer(router.publish, dead_letters, _log().error, body_size)


def handler(event: dict[str, Any], context: object) -> None:
    """Publishes a batch; a bus that does not take it raises, and the batch comes again."""
    consumed = _consumer().consume(event)
    _log().info("batch", extra=asdict(consumed))
