"""Edge: the log, to be archived in the lake."""

import os
from dataclasses import asdict
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.archive_events.settings import Settings
from millrace.archive.archive import Archive
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.consumer import Consumer, LakeDeadLetters
from millrace.core.log import logger
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import body_size

NAME = "archive_events"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


@cache
def _consumer() -> Consumer:
    settings = _settings()
    s3, codec = client("s3"), Codec(registry.load().dictionary)
    archive = Archive(s3, client("dynamodb"), codec, settings.lake_bucket, settings.metadata_table)
    dead_letters = LakeDeadLetters(s3, settings.lake_bucket, NAME)
    return Consumer(archive.write, dead_letters, _log().error, body_size)


def handler(event: dict[str, Any], context: object) -> None:
    """Archives a batch; a failing store raises, and the batch comes again."""
    consumed = _consumer().consume(event)
    _log().info("batch", extra=asdict(consumed))
