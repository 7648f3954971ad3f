"""PayPal's certificates are read from a server: so many bytes, no redirect, and nothing unpacked."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from millrace.core.errors import RetryableError
from millrace.webhooks.paypal import MOST_BYTES, read_certificates


class Answer(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        """As `http.server` calls it."""
        self.send_response({"/moved": 302, "/none": 404}.get(self.path, 200))
        self.send_header("Location", "/good")
        if self.path == "/packed":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(
            gzip.compress(b"0" * 2**24)
            if self.path == "/packed"
            else b"x" * 2**17
            if self.path == "/long"
            else b"pem"
        )

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Says nothing."""


def test_an_answer_is_bounded_and_no_redirect_is_followed() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        at = f"http://127.0.0.1:{server.server_port}"
        assert read_certificates(f"{at}/good") == b"pem"
        assert len(read_certificates(f"{at}/packed")) < MOST_BYTES, "it stays packed"
        for path in ("moved", "none", "long"):
            with pytest.raises(RetryableError):
                read_certificates(f"{at}/{path}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    with pytest.raises(RetryableError):
        read_certificates(f"{at}/good")
