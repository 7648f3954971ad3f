"""Lineage over HTTP: what a server of OpenLineage is sent, and that a run does not need one."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from millrace.catalog.lineage_http import LineageServer

EVENTS: list[dict[str, Any]] = [{"eventType": "START"}, {"eventType": "COMPLETE"}]


class Server(HTTPServer):
    """Keeps what it is sent, and answers each with a status."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.received: list[tuple[str, Any]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((self.path, json.loads(body)))
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


def test_a_server_that_is_not_there_is_a_warning() -> None:
    warnings: list[str] = []
    LineageServer("http://127.0.0.1:9", warnings.append).send(EVENTS)
    (warning,) = warnings
    assert warning.startswith("lineage is not sent: http://127.0.0.1:9 does not answer")
    LineageServer("", warnings.append).send(EVENTS)
    assert len(warnings) == 1
