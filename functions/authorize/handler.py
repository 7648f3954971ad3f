"""Edge: the authorizer of the HTTP API, the one place where policies decide about routes."""

from contextlib import suppress
from typing import Any

from aws_lambda_powertools import Logger

from functions.authorize.settings import Settings
from millrace.access import keys, policies
from millrace.access.access_tokens import AccessTokens, key_set
from millrace.access.grant_store import Granted, GrantStore
from millrace.access.recognition import Credentials
from millrace.access.sign_in import SignedIn
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.errors import MillraceError
from millrace.core.table import Item, Table


@edge("authorize", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """A simple response: whether the call is allowed, with the caller's tenant, name and rights."""
    metadata = Table(client("dynamodb"), settings.metadata_table)

    def used(key: str, item: Item) -> None:
        # Whoever calls is answered, whether or not it could be written that they did.
        with suppress(MillraceError):
            keys.note_use(metadata, key, item)

    credentials, granted = Credentials(metadata, used), Granted(GrantStore(metadata))
    signed_in = SignedIn(
        metadata,
        AccessTokens(
            issuer=settings.user_pool_issuer,
            client_id=settings.user_pool_client_id,
            read_keys=lambda: key_set(settings.user_pool_issuer),
        ),
    )

    def authorize(event: Event, _: object) -> dict[str, Any]:
        header = (event.get("headers") or {}).get("authorization", "")
        principal = credentials.authenticate(header) or signed_in.authenticate(header)
        log.info("call", extra={"known": principal is not None})
        if principal is None:
            return {"isAuthorized": False}
        context = {
            "org": principal.org,
            "principal": principal.name,
            "scopes": " ".join(sorted(policies.rights(principal, granted.scopes(principal)))),
            "kind": principal.kind,
            "id": principal.id,
            "roles": " ".join(principal.roles),
        }
        return {"isAuthorized": True, "context": context}

    return authorize
