"""OpenLineage's HTTP transport: a run's events to a server such as Marquez, one request each.

The events are in the lake already, so a server that does not take them is a warning and fails no run.
"""

from collections.abc import Callable, Iterable
from typing import Any

import orjson
import urllib3

# The path that OpenLineage's own client has.
PATH = "/api/v1/lineage"
SECONDS = 5.0


class LineageServer:
    """Sends events to a server."""

    def __init__(self, url: str, log: Callable[[str], None]) -> None:
        """Makes no call.

        Args:
            url: `https://…`, without the path; empty for no server.
            log: where a warning goes.
        """
        self._url, self._log = url.rstrip("/"), log

    def send(self, events: Iterable[dict[str, Any]]) -> None:
        """Sends events in order, until the server does not take one."""
        if not self._url:
            return
        pool = urllib3.PoolManager(timeout=SECONDS, retries=False)
        headers = {"content-type": "application/json"}
        for event in events:
            try:
                answer = pool.request("POST", self._url + PATH, body=orjson.dumps(event), headers=headers)
            except urllib3.exceptions.HTTPError as error:
                self._log(f"lineage is not sent: {self._url} does not answer ({type(error).__name__})")
                return
            if answer.status >= 300:
                self._log(f"lineage is not sent: {self._url} answers {answer.status}")
                return
