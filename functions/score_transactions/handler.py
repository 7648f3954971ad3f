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
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.emit import Emitter
from millrace.eventstore.row import body_size
from millrace.fraud import rulebook
from millrace.fraud.consumer import Scorer
from millrace.fraud.store import UserSetStore
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.store import ModelStore
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
    # Short pauses: a decision has a budget of milliseconds.
    features = Table(client("dynamodb"), settings.feature_store_table, attempts=4, first_pause_seconds=0.02)
    source = RegisteredChampions(
        ModelStore(Table(client("dynamodb"), settings.models_table)),
        ArtifactFiles(Objects(client("s3"), settings.lake_bucket)),
        features,
    )
    scorer = Scorer(
        UserSetStore(features),
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
