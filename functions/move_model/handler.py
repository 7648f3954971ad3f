"""Edge: a tenant's champion, to be moved."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.move_model.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.errors import PermanentError
from millrace.core.log import logger
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.emit import Emitter
from millrace.model_registry.alias import Mover, named
from millrace.model_registry.champion_events import MoveEvents
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.store import ModelStore

NAME = "move_model"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


@cache
def _mover() -> Mover:
    settings = _settings()
    table = TableAppender(client("dynamodb"), settings.events_table, _log().warning)
    return Mover(
        ModelStore(client("dynamodb"), settings.models_table),
        ArtifactFiles(client("s3"), settings.lake_bucket),
        MoveEvents(Emitter(registry.load(), Appender({"table": table}), _log().warning)),
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Moves it, or says why not; a store that fails, or another who was first, raises, and it can be asked again."""
    try:
        moved = _mover().move(named(event))
    except PermanentError as error:
        _log().warning("refused", extra={"asked": event, "why": str(error)})
        return {"status": "refused", "why": str(error)}
    alias = moved.alias
    answer = {
        "status": moved.status,
        "org": alias.org,
        "model": alias.model,
        "version": alias.version,
        "replaces": alias.before,
        "previous": alias.previous,
        "move": alias.move,
        "movedAt": alias.moved_at,
    }
    _log().info(moved.status, extra=answer)
    return answer
