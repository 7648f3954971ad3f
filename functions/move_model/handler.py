"""Edge: a change of a tenant's champion."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.move_model.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.errors import PermanentError
from millrace.core.log import logger
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.emit import Emitter
from millrace.model_registry.alias import ChampionAlias, parse_request
from millrace.model_registry.champion_events import ChampionEvents
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.store import ModelStore

NAME = "move_model"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


@cache
def _champions() -> ChampionAlias:
    settings = _settings()
    table = TableAppender(client("dynamodb"), settings.events_table, _log().warning)
    return ChampionAlias(
        ModelStore(Table(client("dynamodb"), settings.models_table)),
        ArtifactFiles(Objects(client("s3"), settings.lake_bucket)),
        ChampionEvents(Emitter(registry.load(), Appender({"table": table}), _log().warning)),
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Changes the champion, or refuses with the reason; raises, for a retry, if a store fails or another caller was first."""
    try:
        change = _champions().change(parse_request(event))
    except PermanentError as error:
        _log().warning("refused", extra={"request": event, "why": str(error)})
        return {"status": "refused", "why": str(error)}
    alias = change.alias
    answer = {
        "status": change.status,
        "org": alias.org,
        "model": alias.model,
        "version": alias.version,
        "replaces": alias.before,
        "previous": alias.previous,
        "move": alias.move,
        "movedAt": alias.moved_at,
    }
    _log().info(change.status, extra=answer)
    return answer
