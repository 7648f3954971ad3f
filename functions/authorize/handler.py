"""Edge: the HTTP API asks who is calling."""

import os
from functools import cache
from typing import Any

from settings import Settings

from millrace.access.credentials import Credentials
from millrace.core.aws import client


@cache
def _credentials() -> Credentials:
    return Credentials(client("dynamodb"), Settings.from_environment(os.environ).metadata_table)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A simple answer: whether the call may pass, and the tenant, name and rights that go with it."""
    header = (event.get("headers") or {}).get("authorization", "")
    principal = _credentials().authenticate(header)
    print("authorize", "known" if principal else "unknown")
    if principal is None:
        return {"isAuthorized": False}
    said = {"org": principal.org, "principal": principal.name, "scopes": " ".join(principal.scopes)}
    return {"isAuthorized": True, "context": said}
