"""Calls of the doors that the gateway leaves open, as a browser or an SDK makes them."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from millrace.access.credentials import PUBLIC_SCOPE, create_api_key
from millrace.contracts import registry
from millrace.core import custom_resource
from millrace.core.table import Table
from tests.support.platform import ACME, Platform

PAGE = "https://shop.example"


class Patient:
    """Lambda's context of a function that has all the time."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds that are left."""
        return 600_000


def deploy_names(
    running: Platform, monkeypatch: pytest.MonkeyPatch, bundle: Path, names: Mapping[str, str], *, deploy: str
) -> None:
    """A deploy that maps these names to types, and the replay that follows it."""
    contracts = registry.load(bundle)
    monkeypatch.setattr(contracts, "type_names", {**contracts.type_names, **names})
    monkeypatch.setattr(custom_resource, "_answer", lambda *_: None)
    running.deploy_contracts(Patient(), request_id=deploy)


def write_key(running: Platform, org: str = ACME, *, origins: tuple[str, ...] = (PAGE,)) -> str:
    """A new key that may only send events, and from a page of these origins only."""
    metadata = Table(running.dynamodb, "Metadata")
    return create_api_key(metadata, org=org, name="web", scopes=[PUBLIC_SCOPE], origins=origins)


def basic(key: str) -> str:
    """The header of a client that has the key as its user."""
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def knock(
    running: Platform, route: str, body: object = b"", query: dict[str, str] | None = None, **headers: str
) -> dict[str, Any]:
    """The answer of a door: `{"status", "headers", "body"}`. Headers are written with `_` for `-`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    event = {
        "routeKey": route,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "queryStringParameters": query or {},
        "requestContext": {"requestId": str(uuid4()), "http": {"sourceIp": "203.0.113.7"}},
        "body": base64.b64encode(raw).decode(),
        "isBase64Encoded": True,
    }
    answer = running.invoke("collect", event)
    is_json = "json" in answer["headers"]["content-type"] and answer["body"]
    content = json.loads(answer["body"]) if is_json else answer["body"]
    return {"status": answer["statusCode"], "headers": answer["headers"], "body": content}
