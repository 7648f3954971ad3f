"""Events on their way out: read from a file, cut into requests the API takes, answers merged. No I/O."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

# The API's own limits of a request (interfaces: 500 events, 4 MB), and a line of an event that alone is past them.
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
        found = event.get("eventId") if isinstance(event, dict) else None
        return found if isinstance(found, str) else None


def read_events(text: bytes) -> list[bytes]:
    """The events of a JSON object, a JSON array or NDJSON, one line each.

    Lines of NDJSON stay byte for byte as they were, broken ones too: the platform answers each and keeps what it
    refuses.

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
    """Cuts lines into requests of at most 500 events and 4 MB; a longer line travels alone."""
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
    """The answers of many requests as if there had been one."""

    results: dict[int, dict[str, Any]] = field(default_factory=dict)

    def add(self, batch: Sequence[Line], answer: Mapping[str, Any]) -> list[Line]:
        """Takes one request's answer; a later answer for the same event replaces the earlier one.

        Returns:
            The lines that the platform could not take now.

        Raises:
            ValueError: the answer does not speak of each event of the request once.
        """
        said = {result["index"]: result for result in answer["results"]}
        if sorted(said) != list(range(len(batch))):
            raise ValueError(f"events sent: {len(batch)}, answered: {len(said)}")
        again = []
        for position, line in enumerate(batch):
            self.results[line.index] = {**said[position], "index": line.index}
            if said[position]["status"] == "unavailable":
                again.append(line)
        return again

    def note(self, line: Line, status: str, **more: Any) -> None:
        """Records what happened to an event that no answer spoke of."""
        self.results[line.index] = {"index": line.index, "eventId": line.event_id, "status": status, **more}

    def document(self) -> dict[str, Any]:
        """The merged answer, in the shape of the API's own."""
        results = [self.results[index] for index in sorted(self.results)]
        counts = dict.fromkeys(COUNTS.values(), 0)
        for result in results:
            counts[COUNTS[result["status"]]] += 1
        return {**counts, "results": results}


def all_taken(document: Mapping[str, Any]) -> bool:
    """Whether every event is in: accepted now or before."""
    return not (document["conflicts"] or document["rejected"] or document["unavailable"])
