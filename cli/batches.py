"""Events to send: read from text, split into requests that the API accepts, their answers merged. No I/O."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

# The API's limits of a request.
MOST_EVENTS = 500
MOST_BYTES = 4_000_000

COUNTS = {
    "accepted": "accepted",
    "duplicate": "duplicates",
    "conflict": "conflicts",
    "rejected": "rejected",
    "unavailable": "unavailable",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One event as the bytes that are sent, with its place in the input."""

    index: int
    body: bytes

    @property
    def event_id(self) -> str | None:
        """The event's id, if it can be read."""
        try:
            event = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        event_id = event.get("eventId") if isinstance(event, dict) else None
        return event_id if isinstance(event_id, str) else None


def read_events(text: bytes) -> list[bytes]:
    """The events of a JSON object, a JSON array or NDJSON, one line each.

    Lines of NDJSON stay byte for byte as they were, even malformed ones: the platform answers each, and keeps those
    that it refuses.

    Raises:
        ValueError: the text is empty, or neither form.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not any(_is_object(line) for line in lines):
            raise ValueError(f"neither JSON nor NDJSON: {error}") from error
        return lines
    if isinstance(document, dict):
        return [orjson.dumps(document)]
    if isinstance(document, list) and document:
        return [orjson.dumps(event) for event in document]
    raise ValueError("no events in it: an object, an array of objects or NDJSON is expected")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Splits lines into requests of at most 500 events and 4 MB; a longer line has a request of its own."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        length = len(line.body) + 1
        if batch and (len(batch) == MOST_EVENTS or size + length > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += length
    if batch:
        yield batch


def body(batch: Sequence[Line]) -> bytes:
    """The NDJSON body of a request."""
    return b"\n".join(line.body for line in batch) + b"\n"


@dataclass(slots=True)
class Merged:
    """The answers of many requests, merged into one."""

    results: dict[int, dict[str, Any]] = field(default_factory=dict)

    def add(self, batch: Sequence[Line], answer: Mapping[str, Any]) -> list[Line]:
        """Takes one request's answer; a later answer for the same event replaces the earlier one.

        Returns:
            The lines to send once more: the platform was not available for them.

        Raises:
            ValueError: the answer does not hold one result for each event of the request.
        """
        by_position = {result["index"]: result for result in answer["results"]}
        if sorted(by_position) != list(range(len(batch))):
            raise ValueError(f"events sent: {len(batch)}, answered: {len(by_position)}")
        unavailable = []
        for position, line in enumerate(batch):
            self.results[line.index] = {**by_position[position], "index": line.index}
            if by_position[position]["status"] == "unavailable":
                unavailable.append(line)
        return unavailable

    def note(self, line: Line, status: str, **more: Any) -> None:
        """Records the result of an event that no answer holds."""
        self.results[line.index] = {"index": line.index, "eventId": line.event_id, "status": status, **more}

    def document(self) -> dict[str, Any]:
        """The merged answer, in the shape of the API's own."""
        results = [self.results[index] for index in sorted(self.results)]
        counts = dict.fromkeys(COUNTS.values(), 0)
        for result in results:
            counts[COUNTS[result["status"]]] += 1
        return {**counts, "results": results}


def all_accepted(document: Mapping[str, Any]) -> bool:
    """Whether every event is stored: accepted now or before."""
    return not (document["conflicts"] or document["rejected"] or document["unavailable"])
