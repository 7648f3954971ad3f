"""Registered models as commands show them, and the call that changes a champion."""

import getpass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from cli.errors import RefusedError
from cli.target import Target, deployed_function

if TYPE_CHECKING:
    from millrace.model_registry.rows import Alias, Version
    from millrace.model_registry.store import ModelStore

MODEL = "fraud"
# The function's timeout, and the network.
CHANGE_SECONDS = 75


def store(target: Target) -> "ModelStore":
    """The model registry's store."""
    from millrace.core.table import Table
    from millrace.model_registry.store import ModelStore

    return ModelStore(Table(target.client("dynamodb"), target.output("MLModelsTable")))


def public(one: "Version", alias: "Alias | None") -> dict[str, Any]:
    """A version as JSON; the champion's status is `champion`."""
    from millrace.model_registry.register import gates_json

    champion = alias is not None and alias.version == one.version
    return {
        "name": one.algorithm,
        "version": one.version,
        "metrics": dict(one.metrics),
        "gates": gates_json(one),
        "status": "champion" if champion else one.status,
        "runId": one.run,
        "registeredAt": one.registered_at,
        "data": one.data,
    }


def document(versions: list["Version"], alias: "Alias | None") -> dict[str, Any]:
    """Versions, the newest first, and which of them serves."""
    return {
        "runId": versions[0].run if versions else None,
        "champion": alias.version if alias else None,
        "previous": alias.previous if alias else None,
        "models": [public(one, alias) for one in versions],
    }


def change_champion(target: Target, org: str, to: str, reason: str, *, force: bool = False) -> dict[str, Any]:
    """Requests a change of the champion, once.

    Returns:
        The function's answer: `status`, `version`, `replaces`, `previous`, `move`, `movedAt`.

    Raises:
        RefusedError: the champion stays, with the reason; or another caller changed it first.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    request = {
        "org": org,
        "model": MODEL,
        "to": to,
        "reason": reason,
        "by": f"cli:{getpass.getuser()}",
        "request": str(uuid4()),
        "force": force,
    }
    function = deployed_function(target, "move_model")
    try:
        # The function recognises a repeated request by its id, so the client may retry.
        answer = target.client("lambda", read_seconds=CHANGE_SECONDS).invoke(
            FunctionName=function, InvocationType="RequestResponse", Payload=orjson.dumps(request)
        )
        result: dict[str, Any] = orjson.loads(answer["Payload"].read())
    except (ClientError, BotoCoreError) as error:
        raise RefusedError(f"the champion was not changed: {error}") from error
    if answer.get("FunctionError"):
        raise RefusedError(f"the champion was not changed: {result.get('errorMessage') or result}")
    if result["status"] == "refused":
        raise RefusedError(str(result["why"]))
    return result
