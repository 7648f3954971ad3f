"""Registered models as commands show them, and the one call that moves a champion."""

import getpass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from cli.errors import RefusedError, UsageError
from cli.target import FIRST_ORG, Target, deployed_function

if TYPE_CHECKING:
    from millrace.model_registry.rows import Alias, Version
    from millrace.model_registry.store import ModelStore

MODEL = "fraud"
# As long as the function has, and the way there and back.
MOVE_SECONDS = 75


def tenant(target: Target, org: str | None) -> str:
    """Whose models: locally the first demo tenant unless one is named.

    Raises:
        UsageError: none is named elsewhere, or that is no name of a tenant.
    """
    from millrace.core.errors import PermanentError
    from millrace.model_registry.rows import check_names

    if org is None and target.env != "local":
        raise UsageError(f"--org says whose models are meant in {target.env}")
    name = org or FIRST_ORG
    try:
        check_names(name, MODEL)
    except PermanentError as error:
        raise UsageError(str(error)) from error
    return name


def store(target: Target) -> "ModelStore":
    """The registry's rows."""
    from millrace.model_registry.store import ModelStore

    return ModelStore(target.client("dynamodb"), target.output("MLModelsTable"))


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


def document(found: list["Version"], alias: "Alias | None") -> dict[str, Any]:
    """Versions, the newest first, and which of them serves."""
    return {
        "runId": found[0].run if found else None,
        "champion": alias.version if alias else None,
        "previous": alias.previous if alias else None,
        "models": [public(one, alias) for one in found],
    }


def move(target: Target, org: str, to: str, reason: str, *, force: bool = False) -> dict[str, Any]:
    """Asks for a move, once.

    Returns:
        What the function answers: `status`, `version`, `replaces`, `previous`, `move`, `movedAt`.

    Raises:
        RefusedError: the champion stays, and why; or somebody else moved it first.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    asked = {
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
        # The function knows this request again, so the client may repeat it.
        answer = target.client("lambda", read_seconds=MOVE_SECONDS).invoke(
            FunctionName=function, InvocationType="RequestResponse", Payload=orjson.dumps(asked)
        )
        said = orjson.loads(answer["Payload"].read())
    except (ClientError, BotoCoreError) as error:
        raise RefusedError(f"the champion was not moved: {error}") from error
    if answer.get("FunctionError"):
        raise RefusedError(f"the champion was not moved: {said.get('errorMessage') or said}")
    if said["status"] == "refused":
        raise RefusedError(str(said["why"]))
    found: dict[str, Any] = said
    return found
