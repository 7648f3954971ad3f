"""The real handlers of post_events, collect and receive_webhooks, over clients without a network or over stores that do nothing."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any
from unittest.mock import patch

from bench.stubs import Network
from millrace.access.credentials import PUBLIC_SCOPE, Principal
from millrace.contracts import registry
from millrace.core import aws
from millrace.core.edge import Handler
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.append_to_log import LogAppender
from millrace.feeders.hours import Counting
from millrace.intake.accept import Intake
from millrace.privacy.tenant_box import TenantBox
from millrace.quarantine.store import QuarantineStore
from millrace.webhooks.secrets import Secret
from tests.support.functions import function
from tests.support.people import EverybodyIsKnown

ENVIRON = {
    "ENVIRONMENT": "local",
    "EVENTS_TABLE": "Events",
    "METADATA_TABLE": "Metadata",
    "SUBJECT_KEYS_TABLE": "SubjectKeys",
    "LAKE_BUCKET": "lake",
    "EVENT_STREAM_ARN": "arn:aws:kinesis:us-east-1:123456789012:stream/events",
    "TENANT_KEY_ID": "alias/tenants",
    "EVENTS_PER_SECOND": "1000000000",
    "KEY_EVENTS_PER_SECOND": "1000000000",
    "LOG_LEVEL": "INFO",
}
SERVICES = ("dynamodb", "s3", "kinesis", "kms")


def no_limits(*_: object) -> dict[str, float]:
    """Of a tenant without limits of its own."""
    return {}


class Sink(StringIO):
    """Where log lines go that nobody reads."""

    def write(self, text: str) -> int:
        return len(text)


class Nothing:
    """A client each of whose calls succeeds at once."""

    def put_item(self, **_: object) -> dict[str, Any]:
        return {}

    def batch_write_item(self, **_: object) -> dict[str, Any]:
        return {}

    def put_object(self, **_: object) -> dict[str, Any]:
        return {}

    def put_records(self, **call: Any) -> dict[str, Any]:
        return {"Records": [{}] * len(call["Records"])}


class OneKey:
    """The same fingerprint key for every tenant."""

    def key(self, _: str) -> bytes:
        return b"k" * 32


class OneHolder:
    """The same holder for every write key."""

    def __init__(self, *_: object) -> None:
        pass

    def find(self, _: str) -> Principal:
        return Principal("org_acme", "shop", (PUBLIC_SCOPE,))


@contextmanager
def collect() -> Iterator[Handler]:
    """The handler of collect, over a client whose calls do nothing."""
    aws.client.cache_clear()
    alone = _alone(Nothing())
    with (
        redirect_stdout(Sink()),
        function("collect", ENVIRON) as handler,
        patch("functions.collect.handler.intake", lambda *_: alone),
        patch("millrace.rates.tenant_limits.read", no_limits),
        patch("functions.collect.handler.RememberedKeys", OneHolder),
    ):
        yield handler
    aws.client.cache_clear()


@contextmanager
def post_events(network: Network | None, client: Nothing | None = None) -> Iterator[Handler]:
    """The handler: over clients on `network`, or, if it is None, over `client`, whose calls do nothing."""
    aws.client.cache_clear()
    # A Logger keeps the stream that it was made with.
    with redirect_stdout(Sink()), function("post_events", ENVIRON) as handler:
        if network is None:
            alone = _alone(client or Nothing())
            with (
                patch("functions.post_events.handler.intake", lambda *_: alone),
                patch("millrace.rates.tenant_limits.read", no_limits),
            ):
                yield handler
        else:
            for service in SERVICES:
                network.attach(aws.client(service))
            yield handler
    aws.client.cache_clear()


def _alone(client: Nothing) -> Intake:
    """Intake as it is wired for Lambda, threads included, over a client that does nothing."""
    return Intake(
        registry.load(),
        Appender(
            {
                "table": TableAppender(Table(client, "Events")),
                "none": LogAppender(client, ENVIRON["EVENT_STREAM_ARN"]),
            }
        ),
        QuarantineStore(Table(client, "Metadata"), Objects(client, "lake"), TenantBox(OneKey())),
        OneKey(),
        EverybodyIsKnown(),
        took=Counting(Table(client, "Metadata"), lambda _: None).took,
    )


def call(
    body: bytes,
    request_id: str = "bench-1",
    *,
    route: str = "POST /v1/events",
    content_type: str = "application/json",
) -> dict[str, Any]:
    """A posted body, as the gateway hands it over."""
    said = {"org": "org_acme", "principal": "shop", "scopes": "events:write"}
    return {
        "version": "2.0",
        "routeKey": route,
        "headers": {"content-type": content_type},
        "requestContext": {"requestId": request_id, "authorizer": {"lambda": said}},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


@contextmanager
def receive_webhooks(secret: str) -> Iterator[Handler]:
    """The handler of receive_webhooks, over a client whose calls do nothing; every source has the secret, and none is paused."""
    aws.client.cache_clear()
    alone = _alone(Nothing())
    with (
        redirect_stdout(Sink()),
        function("receive_webhooks", ENVIRON) as handler,
        patch("functions.receive_webhooks.handler.intake", lambda *_: alone),
        patch("millrace.rates.tenant_limits.read", no_limits),
        patch("millrace.webhooks.secrets.SecretStore.read", lambda *_: (Secret(secret),)),
        patch("millrace.feeders.states.States.paused", lambda *_: False),
    ):
        yield handler
    aws.client.cache_clear()
