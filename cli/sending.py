"""Sends batches through the HTTP API and retries what may succeed later."""

import time
from collections.abc import Callable, Iterable, Sequence

from cli.api import Api, ApiResponse, pause
from cli.batches import MOST_BYTES, Line, Merged, batches, body
from cli.errors import RefusedError

TRIES = 6


def send_lines(
    api: Api,
    lines: Iterable[Line],
    merged: Merged,
    sent: Callable[[int], None] = lambda _: None,
) -> None:
    """Sends all lines; `merged` holds an answer for each afterwards.

    Events are retried only when the platform was busy or the connection broke, at most six times: the first write of
    an id wins, so a repeated one changes nothing.

    Raises:
        NoPlatformError: nothing answers.
        RefusedError: a request as a whole was refused.
    """
    for batch in batches(lines):
        if len(batch) == 1 and len(batch[0].body) > MOST_BYTES:
            sentence = f"{len(batch[0].body)} bytes are more than a request can hold"
            merged.note(
                batch[0], "rejected", errors=[{"pointer": "", "code": "too_large", "message": sentence}]
            )
        else:
            _send(api, batch, merged)
        sent(len(batch))


def _send(api: Api, batch: Sequence[Line], merged: Merged) -> None:
    waiting = list(batch)
    for attempt in range(1, TRIES + 1):
        retry_after, waiting = _once(api, waiting, merged)
        if not waiting:
            return
        if attempt < TRIES:
            time.sleep(pause(attempt, retry_after))


def _once(api: Api, batch: list[Line], merged: Merged) -> tuple[float | None, list[Line]]:
    """Sends one request; returns the seconds of its `Retry-After`, and the lines to retry."""
    try:
        answer = api.call("POST", "/v1/events", body=body(batch), content_type="application/x-ndjson")
    except ConnectionResetError as error:
        return None, _unavailable(batch, merged, str(error))
    if isinstance(answer.document, dict) and "results" in answer.document:
        return answer.retry_after, _answered(batch, answer, merged)
    if answer.status in (429, 500, 502, 503, 504):
        return answer.retry_after, _unavailable(batch, merged, answer.sentence)
    raise api.refusal(answer)


def _answered(batch: Sequence[Line], answer: ApiResponse, merged: Merged) -> list[Line]:
    try:
        return merged.add(batch, answer.document)
    except ValueError as error:
        raise RefusedError(f"the platform's answer does not match what was sent: {error}") from error


def _unavailable(batch: list[Line], merged: Merged, sentence: str) -> list[Line]:
    for line in batch:
        merged.note(line, "unavailable", message=sentence)
    return batch
