"""Edge: registers the models of a training."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.register_models.settings import Settings
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.objects import Objects
from millrace.model_registry import assemble
from millrace.model_registry.package import unpack
from millrace.model_registry.register import best
from millrace.training.locations import key_of


@edge("register_models", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Registers the models of a run; a retry finds the same versions."""
    registrar = assemble.registrar(settings)
    lake = Objects(client("s3"), settings.lake_bucket)

    def register(event: Event, _: object) -> dict[str, Any]:
        org, model, run = event["org"], event["model"], event["runId"]
        content = lake.get(key_of(event["artifact"], settings.lake_bucket))
        registered = registrar.register(unpack(content, org=org, model=model, run=run))
        chosen = best(registered)
        answer = {
            "runId": run,
            "org": org,
            "models": [one.to_json() for one in registered],
            "best": chosen.version if chosen else None,
        }
        log.info("registered", extra=answer)
        return answer

    return register
