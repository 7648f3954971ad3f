"""Edge: the HTTP API asks who is calling."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.authorize.settings import Settings
from millrace.access.credentials import Credentials
from millrace.core.aws import client
from millrace.core.log import logger


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


@cache
def _credentials() -> Credentials:
    return Credentials(client("dynamodb"), _settings().metadata_table)


def _log() -> Logger:
    return logger("authorize", _settings().log_level)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A simple answer: whether the call may pass, and the tenant, name and rights that go with it."""
    header = (event.get("headers") or {}).get("authorization", "")
    principal = _credentials().authenticate(header)
    _log().info("call", extra={"known": principal is not None})
    if principal is None:
        return {"isAuthorized": False}
    said = {"org": principal.org, "principal": principal.name, "scopes": " ".join(principal.scopes)}
    return {"isAuthorized": True, "context": said}
