"""The client: takes events at once, and sends them from a thread of its own."""

import atexit
import logging
import math
import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, Unpack

import orjson

from millrace.client.buffer import Buffer, Waiting
from millrace.client.envelope import FIELDS, Envelope
from millrace.client.transport import Http, Response, Transport

log = logging.getLogger("millrace.client")

# Limits of POST /v1/events: 500 events, 4 MB, 256 KB an event.
EVENTS = 500
BYTES = 3_500_000
BYTES_PER_EVENT = 256 * 1024
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
EXIT_SECONDS = 10.0

_TAKEN = frozenset({"accepted", "duplicate"})
_REFUSED = frozenset({"rejected", "conflict"})
Refused = Callable[[dict[str, Any], dict[str, Any]], None]


class ClosedError(Exception):
    """The client was closed; the event was not taken."""


@dataclass(slots=True)
class Counts:
    """What became of events since the client began: sent ones, refused ones, and requests that had to be repeated."""

    taken: int = 0
    refused: int = 0
    retries: int = 0


class Client:
    """Sends events to one platform as one tenant.

    Args:
        url: the API's address (`ApiUrl` of the outputs).
        key: an API key with the right `events:write`.
        buffer: a file for the events that wait; without one they wait in memory.
        most: how many events may wait.
        wait: seconds after which a batch is sent that is not full.
        timeout: seconds to wait for an answer.
        on_refused: called, in the client's thread, with an event that the platform refused and its result.
        transport: posts a batch; the default is HTTP.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        buffer: str | os.PathLike[str] | None = None,
        most: int = 100_000,
        wait: float = 1.0,
        timeout: float = 30.0,
        on_refused: Refused | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.counts = Counts()
        self._path = None if buffer is None else Path(buffer)
        self._most = most
        self._wait = wait
        self._on_refused = on_refused or _log_refused
        self._post = transport or Http(url, key, timeout)
        self._closed = False
        self._inherited: list[Buffer] = []
        self._start()
        atexit.register(self.close)

    def _start(self) -> None:
        self._process = os.getpid()
        self._buffer = Buffer(self._path, self._most)
        self._changed = threading.Condition()
        self._hurry = False
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="millrace-client", daemon=True)
        self._thread.start()

    def send(
        self,
        event_type: str,
        payload: Mapping[str, Any],
        *,
        metadata: Mapping[str, Any] | None = None,
        **envelope: Unpack[Envelope],
    ) -> str:
        """Takes an event, to be sent soon, and returns its id.

        Args:
            event_type: such as `order.created`.
            payload: `data.payload`; a `Decimal` is written digit by digit.
            metadata: `data.metadata`.
            envelope: the event's id, its time, its user, … (`Envelope`).

        Raises:
            BufferFullError: too many events wait.
            ClosedError: the client was closed.
            TypeError: a value has no JSON form.
            ValueError: a number is not finite, a `datetime` has no zone, or the event has more than 256 KB.
        """
        if self._closed:
            raise ClosedError("this client was closed; make another one")
        if self._process != os.getpid():
            # After a fork: the thread stayed in the parent. SQLite's connection is its, too, and must not be closed here.
            self._inherited.append(self._buffer)
            self._start()
        event = {
            "eventId": envelope.get("event_id") or str(uuid.uuid4()),
            "eventType": event_type,
            "timestamp": _moment(envelope.get("timestamp")),
            **{
                FIELDS[name]: value
                for name, value in envelope.items()
                if name in FIELDS and value is not None
            },
            "data": {"payload": payload, "metadata": metadata or {}},
        }
        body = _json(event)
        if len(body) > BYTES_PER_EVENT:
            raise ValueError(f"the event has {len(body)} bytes; {BYTES_PER_EVENT} are the most")
        self._buffer.add(body)
        with self._changed:
            self._changed.notify_all()
        return str(event["eventId"])

    def flush(self, seconds: float | None = None) -> bool:
        """Sends now, and waits until nothing is left, or until the seconds are over. True if nothing is left."""
        end = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            while self._thread.is_alive() and len(self._buffer):
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._changed.wait(0.05 if left is None else min(0.05, left))
            self._hurry = False
        return not len(self._buffer)

    def close(self, seconds: float = EXIT_SECONDS) -> None:
        """Sends what is left, for up to so many seconds. What a buffer file still holds then is sent by its next client."""
        if self._closed or self._process != os.getpid():
            return
        self._closed = True
        atexit.unregister(self.close)
        self.flush(seconds)
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        self._thread.join(1.0)
        if left := len(self._buffer):
            kept = "are lost" if self._path is None else f"wait in {self._path}"
            log.warning("%d events were not sent and %s", left, kept)
        if not self._thread.is_alive():
            self._buffer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        tries = 0
        while True:
            with self._changed:
                while not self._stop and not len(self._buffer):
                    self._changed.wait()
                if self._stop:
                    return
                if not tries and not self._hurry and len(self._buffer) < EVENTS:
                    self._changed.wait_for(
                        lambda: self._stop or self._hurry or len(self._buffer) >= EVENTS, self._wait
                    )
            pause = self._pass(tries)
            tries = 0 if pause is None else tries + 1
            if pause is not None:
                self.counts.retries += 1
                with self._changed:
                    self._changed.wait_for(lambda: self._stop, pause)
            with self._changed:
                self._changed.notify_all()

    def _pass(self, tries: int) -> float | None:
        """Sends the first batch; the seconds to pause where it, or a part of it, has to be sent again."""
        batch = self._buffer.first(EVENTS, BYTES)
        if not batch:
            return None
        try:
            response = self._send(batch)
        except Exception:
            # Whatever fails here, the events stay and the thread lives.
            log.exception("a batch could not be sent; it is tried again")
            return LONGEST_PAUSE
        if response is None:
            return None
        if response.status in (401, 403):
            log.error("the platform refuses the key (%d); events wait until it takes it", response.status)
            return LONGEST_PAUSE
        if 300 <= response.status < 500 and response.status not in (408, 429):
            log.error("the address answers %d, as no platform does; events wait", response.status)
            return LONGEST_PAUSE
        grown = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries, 10)) * random.uniform(0.5, 1.0)  # noqa: S311  jitter
        return max(grown, min(LONGEST_PAUSE, response.retry_after))

    def _send(self, batch: Sequence[Waiting]) -> Response | None:
        """Posts a batch and takes out what is settled; None if all of it is, else the response that left some."""
        response = self._post(b"\n".join(one.body for one in batch))
        results = response.document.get("results") if isinstance(response.document, dict) else None
        if isinstance(results, list) and len(results) == len(batch):
            return self._settle(batch, results, response)
        if response.status not in (400, 413):
            # Also where nothing of the platform is, such as 404 of a wrong address: what waits is not given up for that.
            return response
        if len(batch) > 1:
            half = len(batch) // 2
            return self._send(batch[:half]) or self._send(batch[half:])
        # The request as a whole is refused, and it holds one event: that will never be taken.
        return self._settle(batch, [{"status": "rejected", "errors": [response.document]}], response)

    def _settle(
        self, batch: Sequence[Waiting], results: Sequence[Mapping[str, Any]], response: Response
    ) -> Response | None:
        settled, refused = [], 0
        for waiting, result in zip(batch, results, strict=True):
            status = result.get("status")
            if status in _REFUSED:
                refused += 1
                self._tell(waiting, dict(result))
            elif status not in _TAKEN:
                continue
            settled.append(waiting.number)
        # Counted is what has left the buffer, wherever this process ends; whoever waits for that sees both.
        with self._changed:
            self._buffer.remove(settled)
            self.counts.refused += refused
            self.counts.taken += len(settled) - refused
        return None if len(settled) == len(batch) else response

    def _tell(self, waiting: Waiting, result: dict[str, Any]) -> None:
        try:
            self._on_refused(orjson.loads(waiting.body), result)
        except Exception:
            log.exception("on_refused failed; the event is in the platform's quarantine")


def _log_refused(event: dict[str, Any], result: dict[str, Any]) -> None:
    log.warning("%s %s was refused: %s", event["eventType"], event["eventId"], result.get("errors"))


def _moment(value: datetime | str | None) -> str:
    if isinstance(value, str):
        return value
    moment = value or datetime.now(UTC)
    if moment.tzinfo is None:
        raise ValueError("a datetime without a zone could be any of 24 hours; give it one, such as UTC")
    return moment.isoformat()


def _json(event: Mapping[str, Any]) -> bytes:
    _must_be_finite(event)
    return orjson.dumps(event, default=_decimal)


def _decimal(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(f"{value:f}")
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _must_be_finite(value: object) -> None:
    """NaN and infinity: `orjson` would write null, and the event would say something else than its sender."""
    match value:
        case float() | Decimal():
            if not math.isfinite(value):
                raise ValueError(f"{value} is not a number that JSON has")
        case Mapping():
            for item in value.values():
                _must_be_finite(item)
        case list() | tuple():
            for item in value:
                _must_be_finite(item)
