"""The HTTP API as the canary calls it, with a key of its own tenant that lives for a day."""

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import urllib3

from millrace.access.credentials import create_api_key
from millrace.canary.events import ORG
from millrace.canary.journey import Gzip
from millrace.core import clock
from millrace.core.errors import MillraceError
from millrace.core.table import Table

SCOPES = ("events:read", "events:write", "quarantine:read", "catalog:read", "schemas:read")
KEY_HOURS = 24
CONNECT_SECONDS = 2
READ_SECONDS = 10
# What is sent first may start every function of its path: it waits as long as API Gateway does.
SEND_SECONDS = 30


def new_key(metadata: Table, name: str, hours: float = KEY_HOURS) -> str:
    """A key of the canaries' tenant that is gone after some hours.

    Raises:
        MillraceError: the table did not take it.
    """
    expires = clock.now() + timedelta(hours=hours)
    return create_api_key(metadata, org=ORG, name=name, scopes=SCOPES, expires_at=expires)


class ApiCaller:
    """Calls without a retry: a call that fails is what the canary is to find."""

    def __init__(self, url: str, key: Callable[[], str]) -> None:
        self._url, self._key = url.rstrip("/"), key
        self._pool = urllib3.PoolManager(retries=False)

    def __call__(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and document; status 0 where there was no answer."""
        headers = {"content-type": "application/json"}
        data = None if body is None else json.dumps(body.body if isinstance(body, Gzip) else body).encode()
        if data is not None and isinstance(body, Gzip):
            data, headers["content-encoding"] = gzip.compress(data), "gzip"
        timeout = urllib3.Timeout(
            connect=CONNECT_SECONDS, read=READ_SECONDS if data is None else SEND_SECONDS
        )
        try:
            headers["authorization"] = f"Bearer {self._key()}"
            answer = self._pool.request(
                method, f"{self._url}{path}", body=data, headers=headers, timeout=timeout
            )
        except (urllib3.exceptions.HTTPError, MillraceError) as error:
            return 0, str(error)
        try:
            return answer.status, json.loads(answer.data)
        except ValueError:
            return answer.status, None
