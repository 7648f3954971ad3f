"""Edge: the stream of the Events table, to be projected into the read models."""

import os
from dataclasses import asdict
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.project_events.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.consumer import Consumer, LakeDeadLetters
from millrace.core.log import logger
from millrace.eventstore.codec import Codec
from millrace.eventstore.projection import Projection
from millrace.eventstore.row import body_size

NAME = "project_events"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


@cache
def _consumer() -> Consumer:
    settings, contracts = _settings(), registry.load()
    codec = Codec(contracts.dictionary)
    projection = Projection(client("dynamodb"), codec, contracts.of_ref, settings.user_events_table)
    dead_letters = LakeDeadLetters(client("s3"), settings.lake_bucket, NAME)
    return Consumer(projection.project, dead_letters, _log().error, body_size)


def handler(event: dict[str, Any], context: object) -> None:
    """Projects a batch; a table that does not take it raises, and the batch comes again."""
    consumed = _consumer().consume(event)
    _log().info("batch", extra=asdict(consumed))
