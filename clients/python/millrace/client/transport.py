"""One request to the platform."""

import gzip
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import urllib3

_COMPRESSED_FROM = 1024


@dataclass(frozen=True, slots=True)
class Response:
    """What the platform answered. `document` is None where the body is not JSON; status 0 means no answer at all."""

    status: int
    document: Any = None
    retry_after: float = 0.0


class Transport(Protocol):
    """Posts the NDJSON of a batch of events."""

    def __call__(self, body: bytes) -> Response: ...


class Http:
    """Posts to `/v1/events` of an API.

    Args:
        url: the API's address, as `ApiUrl` of the outputs gives it.
        key: an API key with the right `events:write`.
        seconds: how long to wait for an answer.
    """

    def __init__(self, url: str, key: str, seconds: float) -> None:
        self._url = f"{url.rstrip('/')}/v1/events"
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/x-ndjson"}
        self._pool = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(connect=min(5.0, seconds), read=seconds)
        )

    def __call__(self, body: bytes) -> Response:
        headers = self._headers
        if len(body) >= _COMPRESSED_FROM:
            headers, body = {**headers, "content-encoding": "gzip"}, gzip.compress(body, compresslevel=3)
        try:
            answer = self._pool.request("POST", self._url, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            return Response(0, str(error))
        wait = answer.headers.get("retry-after", "")
        try:
            document = orjson.loads(answer.data)
        except ValueError:
            document = None
        return Response(answer.status, document, float(wait) if wait.isascii() and wait.isdigit() else 0.0)
