"""Fraud with its stores: what decides on the log's transactions, and what decides when it is asked."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from millrace.contracts import registry
from millrace.core.aws import Lazy, client
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.emit import Emitter
from millrace.fraud import rulebook
from millrace.fraud.consumer import Scorer
from millrace.fraud.predict import Predictor
from millrace.fraud.store import UserSetStore
from millrace.privacy import assemble as privacy
from millrace.privacy.suppressed import SCORING
from millrace.scoring.assemble import ChampionSettings, champions

Log = Callable[[str], None]
# Short pauses: a decision has a budget of milliseconds.
ATTEMPTS, PAUSE_SECONDS = 4, 0.02


class DecisionSettings(ChampionSettings, Protocol):
    """Where users' sets, online features and models are, and how long a decision waits for the last two."""

    feature_store_table: str
    features_budget_ms: int
    model_budget_ms: int


class PredictorSettings(DecisionSettings, Protocol):
    """Where people are as well, whom a caller names by their ids."""

    metadata_table: str
    subject_keys_table: str
    tenant_key_id: str


class ScorerSettings(DecisionSettings, Protocol):
    """Where decisions are appended as well, and how long the first connections of a copy may take."""

    events_table: str
    type_shards: int
    cold_budget_ms: int


def scorer(settings: ScorerSettings, log: Log) -> Scorer:
    """What decides on the transactions of the log."""
    contracts, features = registry.load(), _features(settings)
    table = TableAppender(Table(client("dynamodb"), settings.events_table), log)
    return Scorer(
        UserSetStore(features),
        Emitter(contracts, Appender({"table": table}), log, type_shards=settings.type_shards),
        rulebook.load(),
        Codec(contracts.dictionary),
        features_budget_ms=settings.features_budget_ms,
        champions=champions(settings, features, client("s3"), log),
        model_budget_ms=settings.model_budget_ms,
        cold_budget_ms=settings.cold_budget_ms,
        contract_of=contracts.deployed,
    )


def predictor(settings: PredictorSettings, log: Log) -> Predictor:
    """What decides when it is asked; it writes nothing."""
    features, dynamodb = _features(settings), client("dynamodb")
    people = privacy.subjects(
        Table(dynamodb, settings.subject_keys_table, attempts=ATTEMPTS, first_pause_seconds=PAUSE_SECONDS),
        Table(dynamodb, settings.metadata_table),
        settings.tenant_key_id,
    )
    return Predictor(
        UserSetStore(features),
        rulebook.load(),
        # Of whom no features go online, none are told.
        partial(people.ids, purpose=SCORING),
        features_budget_ms=settings.features_budget_ms,
        champions=champions(settings, features, Lazy("s3"), log),
        model_budget_ms=settings.model_budget_ms,
    )


def _features(settings: DecisionSettings) -> Table:
    return Table(
        client("dynamodb"),
        settings.feature_store_table,
        attempts=ATTEMPTS,
        first_pause_seconds=PAUSE_SECONDS,
    )
