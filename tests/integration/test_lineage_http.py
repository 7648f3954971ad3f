"""Lineage over HTTP: what a server of OpenLineage is sent, and that a run does not need one."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from moto import mock_aws

from millrace.catalog.lineage_http import LineageServer, stored_key
from millrace.core import aws

EVENTS: list[dict[str, Any]] = [{"eventType": "START"}, {"eventType": "COMPLETE"}]


class Server(HTTPServer):
    """Keeps what it is sent, and answers each with a status."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.received: list[tuple[str, Any]] = []
        self.authorized: set[str | None] = set()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((self.path, json.loads(body)))
        self.server.authorized.add(self.headers["authorization"])
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=[201, 503])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(request.param) as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_every_event_is_sent_until_one_is_not_taken(server: Server) -> None:
    warnings: list[str] = []
    LineageServer(f"{server.url}/", warnings.append).send(EVENTS)
    taken = server.status < 300
    assert server.received == [("/api/v1/lineage", one) for one in (EVENTS if taken else EVENTS[:1])]
    assert warnings == ([] if taken else [f"lineage is not sent: {server.url} answers 503"])
    assert server.authorized == {None}


def test_a_server_that_is_not_there_is_a_warning() -> None:
    warnings: list[str] = []
    LineageServer("http://127.0.0.1:9", warnings.append).send(EVENTS)
    (warning,) = warnings
    assert warning.startswith("lineage is not sent: http://127.0.0.1:9 does not answer")
    LineageServer("", warnings.append).send(EVENTS)
    assert len(warnings) == 1


def test_a_key_is_read_from_its_parameter_and_sent_and_said_nowhere(server: Server) -> None:
    name = "/millrace/test/lineage-key"
    with mock_aws():
        aws.client.cache_clear()
        parameters = boto3.client("ssm")
        parameters.put_parameter(Name=name, Value="s3cret", Type="SecureString")
        warnings: list[str] = []
        LineageServer(server.url, warnings.append, stored_key(name)).send(EVENTS)
        assert server.authorized == {"Bearer s3cret"}
        assert "s3cret" not in "".join(warnings)
        parameters.put_parameter(Name=name, Value="changed", Type="SecureString", Overwrite=True)
        LineageServer(server.url, warnings.append, stored_key(name)).send(EVENTS)
        assert "Bearer changed" in server.authorized
        # Without its key nothing is sent.
        sent = len(server.received)
        LineageServer(server.url, warnings.append, stored_key("/millrace/none")).send(EVENTS)
        assert len(server.received) == sent
        assert warnings[-1].startswith("lineage is not sent: its key cannot be read")
    aws.client.cache_clear()
    assert stored_key("") is None
