"""The HTTP API of a platform in this process behind a real socket, for clients that nobody here wrote."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from tests.support.gateway import Gateway


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    # Clients keep connections open.
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(document: Mapping[str, Any], functions: Mapping[str, Any]) -> Iterator[str]:
    """Serves the document's routes by these functions; the address, without a slash at its end."""
    gateway = Gateway(document, functions)
    with make_server("127.0.0.1", 0, gateway, _Server, _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(timeout=10)
