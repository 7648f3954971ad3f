"""Edge: the authorizer of the HTTP API."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.authorize.settings import Settings
from millrace.access.credentials import Credentials
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.table import Table


@edge("authorize", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """A simple response: whether the call is allowed, with the caller's tenant, name and rights."""
    credentials = Credentials(Table(client("dynamodb"), settings.metadata_table))

    def authorize(event: Event, _: object) -> dict[str, Any]:
        header = (event.get("headers") or {}).get("authorization", "")
        principal = credentials.authenticate(header)
        log.info("call", extra={"known": principal is not None})
        if principal is None:
            return {"isAuthorized": False}
        context = {
            "org": principal.org,
            "principal": principal.name,
            "scopes": " ".join(principal.scopes),
        }
        return {"isAuthorized": True, "context": context}

    return authorize
