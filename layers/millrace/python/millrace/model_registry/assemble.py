"""The model registry with its stores: what registers versions, and what changes a tenant's champion."""

from collections.abc import Callable
from typing import Protocol

from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.objects import Objects
from millrace.core.settings import Environment
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.emit import Emitter
from millrace.features import views as feature_views
from millrace.model_registry import tracking
from millrace.model_registry.alias import ChampionAlias
from millrace.model_registry.champion_events import ChampionEvents
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.register import Registrar
from millrace.model_registry.store import ModelStore


class RegistrySettings(Protocol):
    """Where artifacts and versions are."""

    lake_bucket: str
    models_table: str


class ChampionChangeSettings(RegistrySettings, Protocol):
    """Where the event of a champion change is appended, and where experiments are logged, as well."""

    events_table: str
    type_shards: int
    environment: Environment
    tracking_uri: str


class RegistrarSettings(RegistrySettings, Protocol):
    """Where experiments are logged as well."""

    environment: Environment
    tracking_uri: str


def champions(settings: ChampionChangeSettings, log: Callable[[str], None]) -> ChampionAlias:
    """What changes champions."""
    dynamodb = client("dynamodb")
    appender = Appender({"table": TableAppender(Table(dynamodb, settings.events_table), log)})
    return ChampionAlias(
        ModelStore(Table(dynamodb, settings.models_table)),
        ArtifactFiles(Objects(client("s3"), settings.lake_bucket)),
        ChampionEvents(Emitter(registry.load(), appender, log, type_shards=settings.type_shards)),
        feature_views.load(),
        tracking.tracker(settings.tracking_uri, settings.environment),
    )


def registrar(settings: RegistrarSettings) -> Registrar:
    """What registers models."""
    return Registrar(
        ModelStore(Table(client("dynamodb"), settings.models_table)),
        ArtifactFiles(Objects(client("s3"), settings.lake_bucket)),
        tracking.tracker(settings.tracking_uri, settings.environment),
    )
