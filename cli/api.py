"""Calls of the HTTP API: every wait is bounded, and every refusal becomes one plain sentence."""

import json
import os
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import orjson
import urllib3

from cli import sign_in, tenants
from cli.errors import NoPlatformError, RefusedError
from cli.target import Target

CONNECT_SECONDS = 3.0
READ_SECONDS = 60.0
TRIES = 6
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 8.0


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A response of the API. `document` is None when the body is not JSON."""

    status: int
    document: Any
    retry_after: float | None = None

    @property
    def sentence(self) -> str:
        """The `detail` of a problem document, or the gateway's own short message."""
        if isinstance(self.document, dict):
            return str(self.document.get("detail") or self.document.get("message") or f"status {self.status}")
        return f"status {self.status}"


def pause(attempt: int, retry_after: float | None, jitter: Callable[[], float] = random.random) -> float:
    """Seconds before the next try: doubling with jitter, at least what the server requires, at most 8.

    Args:
        attempt: how many tries were made, from 1.
        retry_after: the seconds of a `Retry-After` header, if there was one.
        jitter: a number in [0, 1).
    """
    grown = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (attempt - 1)) * (0.5 + jitter() / 2)
    return min(LONGEST_PAUSE, max(grown, retry_after or 0.0))


class Api:
    """The HTTP API of one platform, called with one key."""

    def __init__(
        self, target: Target, org: str | None = None, *, key: str | None = None, anonymous: bool = False
    ) -> None:
        """Makes no call.

        Args:
            target: the platform.
            org: whose key to call with, by the rules of `cli.tenants`.
            key: the key itself, whatever those rules say.
            anonymous: whether to call without a key.
        """
        self._target = target
        self._headers = {"accept": "application/json"}
        self._key = "" if anonymous else key or tenants.key(target, org)
        if self._key:
            self._headers["authorization"] = f"Bearer {self._key}"
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=4,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | None] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        exact: bool = False,
        parse: Callable[[bytes], Any] | None = None,
    ) -> ApiResponse:
        """One call, without a retry; `exact`: numbers with a point come as decimals, with all of their digits.

        `parse` reads JSON in place of both.

        Raises:
            NoPlatformError: nothing answers at the address.
            ConnectionResetError: the connection broke once it was open; the call may have had its effect.
        """
        parameters = "&".join(
            f"{name}={quote(value, safe='')}" for name, value in (query or {}).items() if value is not None
        )
        url = self._target.api_url + path + (f"?{parameters}" if parameters else "")
        headers = self._headers if body is None else {**self._headers, "content-type": content_type}
        try:
            response = self._pool.request(method, url, body=body, headers=headers)
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            raise NoPlatformError(self._no_answer()) from error
        except urllib3.exceptions.LocationValueError as error:
            raise NoPlatformError(f"{self._target.api_url} is not an address of an API") from error
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionResetError(f"{method} {path}: {error}") from error
        return ApiResponse(
            response.status,
            _document(response.data, parse or (_exactly if exact else orjson.loads)),
            _seconds(response.headers.get("retry-after")),
        )

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """The document of a successful call; busy answers and broken connections are retried.

        Raises:
            NoPlatformError: nothing answers at the address.
            RefusedError: the API refused, or did not answer within the tries.
        """
        sentence = ""
        for attempt in range(1, TRIES + 1):
            try:
                answer = self.call(method, path, **more)
            except ConnectionResetError as error:
                sentence, retry_after = str(error), None
            else:
                if answer.status < 300 and answer.document is not None:
                    return answer.document
                if answer.status not in (429, 502, 503, 504):
                    raise self.refusal(answer)
                sentence, retry_after = answer.sentence, answer.retry_after
            if attempt < TRIES:
                time.sleep(pause(attempt, retry_after))
        raise RefusedError(f"the platform did not answer {method} {path} in {TRIES} tries: {sentence}")

    def refusal(self, answer: ApiResponse) -> RefusedError:
        """One sentence for an answer that is not a success."""
        match answer.status:
            # The platform's own refusal is about this call; the gateway's is about the credential.
            case 403 if isinstance(answer.document, dict) and "detail" in answer.document:
                return RefusedError(f"not allowed: {answer.sentence}")
            case 401 | 403:
                why = tenants.why_refused(self._target, self._key) or answer.sentence
                if sign_in.is_token(self._key):
                    return RefusedError(f"the platform refused the sign-in: {answer.sentence}. {why}")
                given = os.environ.get(tenants.VARIABLE) or self._target.env != "local"
                where = tenants.VARIABLE if given else ".local/keys.json (make up renews those of the demo)"
                return RefusedError(f"the platform refused the key in {where}: {why}")
            case 404:
                return RefusedError(f"not found: {answer.sentence}")
            case _:
                return RefusedError(f"the platform answered {answer.status}: {answer.sentence}")

    def _no_answer(self) -> str:
        if self._target.env == "local":
            return f"the local platform does not answer at {self._target.api_url}. Start it in the checkout: make up"
        return (
            f"nothing answers at {self._target.api_url}. Is MILLRACE_API_URL the ApiUrl output of {self._target.env}? "
            f"To deploy it: make deploy ENV={self._target.env}"
        )


def must_answer(target: Target) -> None:
    """Returns if anything answers at the API's address, whatever its answer.

    Raises:
        NoPlatformError: nothing does.
    """
    with suppress(ConnectionResetError):
        Api(target, anonymous=True).call("GET", "/v1/health")


def _document(body: bytes, parse: Callable[[bytes], Any]) -> Any:
    try:
        return parse(body)
    except ValueError:
        return None


def _exactly(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() else None
