"""OpenLineage's HTTP transport: a run's events to a server such as Marquez, one request each.

The events are in the lake already, so a server that does not take them is a warning and fails no run. A server's API key is
a SecureString in SSM's Parameter Store: templates and variables have its name only, and no warning has its value.
"""

from collections.abc import Callable, Iterable
from typing import Any

import orjson
import urllib3

from millrace.core.aws import Lazy, calling
from millrace.core.errors import MillraceError

# The path that OpenLineage's own client has.
PATH = "/api/v1/lineage"
SECONDS = 5.0


class LineageServer:
    """Sends events to a server."""

    def __init__(self, url: str, log: Callable[[str], None], key: Callable[[], str] | None = None) -> None:
        """Makes no call.

        Args:
            url: `https://…`, without the path; empty for no server.
            log: where a warning goes.
            key: gives the API key, or raises MillraceError; None for a server that wants none.
        """
        self._url, self._log, self._key = url.rstrip("/"), log, key

    def send(self, events: Iterable[dict[str, Any]]) -> None:
        """Sends events in order, until the server does not take one."""
        if not self._url:
            return
        pool = urllib3.PoolManager(timeout=SECONDS, retries=False)
        headers = {"content-type": "application/json"}
        try:
            if self._key is not None:
                # As OpenLineage's own client sends its `api_key`.
                headers["authorization"] = f"Bearer {self._key()}"
        except MillraceError as error:
            self._log(f"lineage is not sent: its key cannot be read ({error})")
            return
        for event in events:
            try:
                answer = pool.request("POST", self._url + PATH, body=orjson.dumps(event), headers=headers)
            except urllib3.exceptions.HTTPError as error:
                self._log(f"lineage is not sent: {self._url} does not answer ({type(error).__name__})")
                return
            if answer.status >= 300:
                self._log(f"lineage is not sent: {self._url} answers {answer.status}")
                return


def stored_key(parameter: str) -> Callable[[], str] | None:
    """Reads the key of a server from a parameter's name; None for no name.

    The key is read for each run, so that a changed one counts at once.
    """
    if not parameter:
        return None

    def read() -> str:
        with calling("read the key of the lineage server"):
            answer = Lazy("ssm").get_parameter(Name=parameter, WithDecryption=True)
        return str(answer["Parameter"]["Value"])

    return read
