"""Edge: the log's transactions, to be decided."""

import os
from dataclasses import asdict
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.score_transactions.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.consumer import Consumer, LakeDeadLetters
from millrace.core.log import logger
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.emit import Emitter
from millrace.eventstore.row import body_size
from millrace.fraud import rulebook
from millrace.fraud.consumer import Scorer
from millrace.fraud.store import UserSetStore
from millrace.scoring.champions import Champions
from millrace.scoring.registered import RegisteredChampions

NAME = "score_transactions"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


@cache
def _consumer() -> Consumer:
    settings, contracts = _settings(), registry.load()
    table = TableAppender(client("dynamodb"), settings.events_table, _log().warning)
    source = RegisteredChampions(
        client("dynamodb"),
        client("s3"),
        models_table=settings.models_table,
        features_table=settings.feature_store_table,
        bucket=settings.lake_bucket,
    )
    scorer = Scorer(
        UserSetStore(client("dynamodb"), settings.feature_store_table),
        Emitter(contracts, Appender({"table": table}), _log().warning),
        rulebook.load(),
        Codec(contracts.dictionary),
        features_budget_ms=settings.features_budget_ms,
        champions=Champions(source, _log().warning),
        model_budget_ms=settings.model_budget_ms,
        cold_budget_ms=settings.cold_budget_ms,
    )
    dead_letters = LakeDeadLetters(client("s3"), settings.lake_bucket, NAME)
    return Consumer(scorer.score, dead_letters, _log().error, body_size)


def handler(event: dict[str, Any], context: object) -> None:
    """Decides on a batch; a store that does not take it raises, and the batch comes again."""
    consumed = _consumer().consume(event)
    _log().info("batch", extra=asdict(consumed))
