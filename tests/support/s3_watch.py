"""A listener in front of an emulator's S3: what DuckDB and Arrow ask with clients of their own is heard as well.

Every request goes on as it came and its answer comes back as it is; method, path and query say which action it is.
"""

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

Heard = Callable[[str, str], None]
"""An IAM action and a resource: `lake`, or `lake/<key>`."""

HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "proxy-connection"})
_KEY = re.compile(rb"<Key>([^<]+)</Key>")
TIMEOUT = 60


def actions(method: str, target: str, copied: str | None = None, body: bytes = b"") -> list[tuple[str, str]]:
    """What a request in path style asks of IAM.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html

    Args:
        method: of HTTP.
        target: path and query, `/bucket/key?…`.
        copied: the header `x-amz-copy-source`.
        body: names the keys where many are deleted.

    Raises:
        ValueError: no role here was ever to ask this.
    """
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    key = unquote(parts.path.lstrip("/").partition("/")[2])
    resource = f"lake/{key}" if key else "lake"
    match method:
        case "GET" | "HEAD" if not key and set(query) & {"location", "versioning", "policy", "acl"}:
            pass
        case "GET" | "HEAD":
            return [("s3:GetObject" if key else "s3:ListBucket", resource)]
        case "PUT" if key and copied:
            source = unquote(copied.lstrip("/")).partition("/")[2].partition("?")[0]
            return [("s3:GetObject", f"lake/{source}"), ("s3:PutObject", resource)]
        case "PUT" if key:
            return [("s3:PutObject", resource)]
        case "POST" if key and set(query) & {"uploads", "uploadId"}:
            return [("s3:PutObject", resource)]
        case "POST" if not key and "delete" in query:
            return [("s3:DeleteObject", f"lake/{found.decode()}") for found in _KEY.findall(body)]
        case "DELETE" if key and "uploadId" in query:
            return [("s3:AbortMultipartUpload", resource)]
        case "DELETE" if key:
            return [("s3:DeleteObject", resource)]
    raise ValueError(f"{method} {target} is not an action that this page knows")


class _Server(ThreadingHTTPServer):
    """Passes requests on to a host."""

    daemon_threads = True

    def __init__(self, host: str, heard: Heard) -> None:
        self.host, self.heard = host, heard
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._pass()

    def do_HEAD(self) -> None:
        self._pass()

    def do_PUT(self) -> None:
        self._pass()

    def do_POST(self) -> None:
        self._pass()

    def do_DELETE(self) -> None:
        self._pass()

    def _pass(self) -> None:
        body = self._body()
        try:
            asked = actions(self.command, self.path, self.headers.get("x-amz-copy-source"), body)
        except ValueError as error:
            self._answer(501, [("Content-Type", "text/plain")], str(error).encode())
            return
        for action, resource in asked:
            self.server.heard(action, resource)
        onward = http.client.HTTPConnection(self.server.host, timeout=TIMEOUT)
        try:
            sent = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            onward.request(self.command, self.path, body=body or None, headers=sent)
            answer = onward.getresponse()
            self._answer(answer.status, answer.getheaders(), answer.read())
        finally:
            onward.close()

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        # The length of what HEAD asks about is the object's, not this answer's.
        left = HOP if self.command == "HEAD" else HOP | {"content-length"}
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in left:
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_expect_100(self) -> bool:
        self.send_response_only(100)
        self.end_headers()
        return True

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def watched(endpoint: str, heard: Heard) -> Iterator[str]:
    """The address of a listener before `endpoint`; it is there until the end of the block.

    What it cannot name is answered 501, so that nothing passes unheard.
    """
    server = _Server(urlsplit(endpoint).netloc, heard)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
