"""Edge: a change of a tenant's champion."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.move_model.settings import Settings
from millrace.core.edge import Event, Handler, edge
from millrace.core.errors import PermanentError
from millrace.model_registry import assemble
from millrace.model_registry.alias import parse_request


@edge("move_model", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Changes the champion, or refuses with the reason; raises, for a retry, if a store fails or another caller was first."""
    champions = assemble.champions(settings, log.warning)

    def move(event: Event, _: object) -> dict[str, Any]:
        try:
            change = champions.change(parse_request(event))
        except PermanentError as error:
            log.warning("refused", extra={"request": event, "why": str(error)})
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
        log.info(change.status, extra={**answer, "mlflow": change.mlflow})
        return answer

    return move
