"""The answer to a request: counts, one result per event, and the status that sums them up."""

from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson

from millrace.contracts.errors import FieldError
from millrace.core import sizes
from millrace.eventstore.append import AppendResult
from millrace.intake.accept import Result

# Each is at most 1.2 KB of an answer, so that these fit whatever they hold.
ERRORS = 3_000
_COUNTS = {
    AppendResult.ACCEPTED: "accepted",
    AppendResult.DUPLICATE: "duplicates",
    AppendResult.CONFLICT: "conflicts",
    AppendResult.REJECTED: "rejected",
    AppendResult.UNAVAILABLE: "unavailable",
}


def status(results: Sequence[Result]) -> HTTPStatus:
    """202 all taken, 400 all refused, 503 all unavailable, 207 anything between."""
    outcomes = {result.outcome for result in results}
    if outcomes <= {AppendResult.ACCEPTED, AppendResult.DUPLICATE}:
        return HTTPStatus.ACCEPTED
    if outcomes <= {AppendResult.REJECTED, AppendResult.CONFLICT}:
        return HTTPStatus.BAD_REQUEST
    if outcomes == {AppendResult.UNAVAILABLE}:
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.MULTI_STATUS


def body(results: Sequence[Result]) -> dict[str, Any]:
    """The JSON of the answer."""
    counts = Counter(result.outcome for result in results)
    told = [_one(result, result.errors) for result in results]
    # Few requests have as many as that, and fewer still do not fit: then each event shows its first.
    if sum(len(result.errors) for result in results) > ERRORS and sizes.of(orjson.dumps(told)) > sizes.BYTES:
        told = [_one(result, result.errors[:1]) for result in results]
    return {**{name: counts[outcome] for outcome, name in _COUNTS.items()}, "results": told}


def _one(result: Result, errors: Sequence[FieldError]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "index": result.index,
        "eventId": result.event_id,
        "status": str(result.outcome),
    }
    if result.quarantine_id is not None:
        answer["quarantineId"] = result.quarantine_id
    if errors:
        answer["errors"] = [e.to_json() for e in errors]
    return answer
