"""The canary's calls over a real socket: a slow answer is awaited, an absent server is an answer of its own."""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from millrace.canary import caller
from millrace.canary.caller import ApiCaller
from millrace.canary.journey import Gzip

SLOW_SECONDS = caller.CONNECT_SECONDS + 0.5


class Slow(BaseHTTPRequestHandler):
    """Answers later than a connection may take."""

    def do_POST(self) -> None:
        time.sleep(SLOW_SECONDS)
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["content-encoding"] == "gzip":
            body = gzip.decompress(body)
        self.send_response(202)
        self.end_headers()
        self.wfile.write(
            json.dumps({"key": self.headers["authorization"], "body": json.loads(body)}).encode()
        )

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_answer_may_take_longer_than_a_connection(address: str) -> None:
    answer = ApiCaller(address, lambda: "mk_1")("POST", "/v1/events", [1])
    assert answer == (202, {"key": "Bearer mk_1", "body": [1]})


def test_a_body_is_sent_compressed(address: str) -> None:
    answer = ApiCaller(address, lambda: "mk_1")("POST", "/v1/events", Gzip([2]))
    assert answer == (202, {"key": "Bearer mk_1", "body": [2]})


def test_no_server_is_status_0(address: str) -> None:
    with HTTPServer(("127.0.0.1", 0), Slow) as gone:
        port = gone.server_port
    status, sentence = ApiCaller(f"http://127.0.0.1:{port}", lambda: "mk_1")("GET", "/v1/health", None)
    assert status == 0
    assert "refused" in sentence
