"""The answer to a request: counts, one result per event, and the status that sums them up."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson

from millrace.contracts.errors import FieldError
from millrace.core import sizes
from millrace.eventstore.append import AppendResult
from millrace.intake.case import EventResult

# Each takes at most 1.2 KB of an answer, so that so many always fit.
ERRORS = 3_000
_COUNTS = {
    AppendResult.ACCEPTED: "accepted",
    AppendResult.DUPLICATE: "duplicates",
    AppendResult.CONFLICT: "conflicts",
    AppendResult.REJECTED: "rejected",
    AppendResult.UNAVAILABLE: "unavailable",
}


def status(results: Sequence[EventResult]) -> HTTPStatus:
    """202 all taken, 400 all refused, 503 all unavailable, 207 anything between."""
    outcomes = {result.outcome for result in results}
    if outcomes <= {AppendResult.ACCEPTED, AppendResult.DUPLICATE}:
        return HTTPStatus.ACCEPTED
    if outcomes <= {AppendResult.REJECTED, AppendResult.CONFLICT}:
        return HTTPStatus.BAD_REQUEST
    if outcomes == {AppendResult.UNAVAILABLE}:
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.MULTI_STATUS


def body(results: Sequence[EventResult]) -> dict[str, Any]:
    """The JSON of the answer."""
    counts = Counter(result.outcome for result in results)
    answered = [_one(result, result.errors) for result in results]
    # Where they do not fit, each event shows its first error.
    if (
        sum(len(result.errors) for result in results) > ERRORS
        and sizes.of(orjson.dumps(answered)) > sizes.BYTES
    ):
        answered = [_one(result, result.errors[:1]) for result in results]
    return {**{name: counts[outcome] for outcome, name in _COUNTS.items()}, "results": answered}


def neutral(results: Sequence[EventResult]) -> list[EventResult]:
    """The results as one is told whose key everybody may read: as if nobody had been erased or had refused anything.

    An event that is not taken because of its person is answered as one that is; whoever sends it again would be told that the
    first was `accepted` and this one too, so every event that is sound is `accepted`.

    Args:
        results: as they are counted.
    """
    sound = {AppendResult.DUPLICATE, AppendResult.CONFLICT}
    return [
        EventResult(one.index, one.event_id, one.event_type, AppendResult.ACCEPTED, dropped=one.dropped)
        if one.withheld or one.outcome in sound
        else replace(one, masked=(), quarantine_id=one.quarantine_id or one.unkept_id)
        for one in results
    ]


def _one(result: EventResult, errors: Sequence[FieldError]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "index": result.index,
        "eventId": result.event_id,
        "status": str(result.outcome),
    }
    if result.masked:
        answer["masked"] = list(result.masked)
    if result.dropped:
        answer["dropped"] = list(result.dropped)
    if result.quarantine_id is not None:
        answer["quarantineId"] = result.quarantine_id
    if errors:
        answer["errors"] = [e.to_json() for e in errors]
    return answer
