"""Refused events as people read them: a block for each, their errors as sentences, counts by reason."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from cli.output import counted, fitted, out, visible, wrapped
from cli.repairs import PASSED
from millrace.core import exact_json

Refused = Mapping[str, Any]
"""A refused event as the API answers it."""

# Events of a replay whose errors are shown.
SHOWN = 20
# Sentences of an event that a list shows; `show` has them all.
SENTENCES = 5
LONGEST_LINE = 1000
MOST_LINES = 300
REASONS = 40
_OPERATION = re.compile(r"operation (\d+) of the patch")
_INDEX = re.compile(r"/\d+(?=/|$)")


def sentence(error: Mapping[str, str]) -> str:
    """An error with its path, on one line."""
    return visible(f"{error['pointer']} {error['message']}".strip())


def sentences(result: Mapping[str, Any]) -> list[str]:
    """Why an event is refused, or why a replay did not take it."""
    errors = [sentence(error) for error in result.get("errors", ())]
    if not errors and result["status"] == "unavailable":
        return ["the platform could not store it now; run the same command again"]
    return errors


def block(refused: Refused) -> Iterator[str]:
    """The lines of an event in a list."""
    yield f"{refused['quarantineId']}  {refused['status']}  {refused['receivedAt']}"
    yield f"  {_type(refused)}"
    if refused["eventId"]:
        yield f"  event {visible(refused['eventId'])}"
    yield from _indented(sentences(refused), most=SENTENCES)


def failure(result: Mapping[str, Any]) -> Iterator[str]:
    """The lines of an event that a replay did not take."""
    yield f"{result['quarantineId']}  {result['status']}"
    if result.get("eventId"):
        yield f"  event {visible(result['eventId'])}"
    yield from _indented(sentences(result), most=SENTENCES)


def whole(refused: Refused) -> Iterator[str]:
    """The lines of one event: what was sent, what is wrong with it, what has been tried."""
    yield f"{refused['quarantineId']}  {refused['status']}"
    yield f"  received  {refused['receivedAt']} by {visible(refused['source'])}"
    yield f"  type      {_type(refused)}"
    yield f"  event     {visible(refused['eventId'] or 'has no id')}"
    yield ""
    yield "What is wrong:"
    yield from _indented(sentences(refused))
    yield ""
    yield "What was tried:"
    yield from _history(refused)
    yield ""
    yield "What was sent:"
    yield from sent_lines(refused)


def sent_lines(refused: Refused) -> Iterator[str]:
    """What was sent, on lines that a terminal can take."""
    raw = refused["raw"]
    if raw is None:
        yield "  (not shown: it may hold personal data, and this key has no right personal:read)"
        return
    if refused.get("rawEncoding") == "base64":
        yield "  (written in base64)"
    else:
        raw = written(raw)
    lines = raw.split("\n")
    for line in lines[:MOST_LINES]:
        yield "  " + cut(line)
    if len(lines) > MOST_LINES:
        yield f"  … and {counted(len(lines) - MOST_LINES, 'more line')}; --json has all of them"


def written(raw: str) -> str:
    """JSON with a line for each value; what is not JSON stays as it is."""
    try:
        return json.dumps(exact_json.loads(raw.encode())[0], indent=2, ensure_ascii=False)
    except (orjson.JSONDecodeError, RecursionError):
        return raw


def cut(line: str) -> str:
    """A line that does not flood the terminal."""
    shown = visible(line[:LONGEST_LINE])
    return shown if len(line) <= LONGEST_LINE else f"{shown}… {len(line) - LONGEST_LINE:,} more characters"


class Summary:
    """Counts of refused events by status, and by type and reason."""

    def __init__(self) -> None:
        self._statuses: Counter[str] = Counter()
        self._reasons: Counter[tuple[str, str, str]] = Counter()
        self._open: Counter[tuple[str, str, str]] = Counter()
        self._first = self._last = ""

    def add(self, items: Iterable[Refused]) -> None:
        """Counts a page of them. The items of an array count as one path."""
        for item in items:
            self._statuses[item["status"]] += 1
            paths = {(one["code"], _INDEX.sub("/*", one["pointer"])) for one in item["errors"]}
            reasons = [(item["eventType"] or "", code, path) for code, path in paths]
            self._reasons.update(reasons)
            if item["status"] == "open":
                self._open.update(reasons)
            self._first = min(self._first or item["receivedAt"], item["receivedAt"])
            self._last = max(self._last, item["receivedAt"])

    def to_json(self) -> dict[str, Any]:
        """The counts, the most frequent reason first."""
        ordered = sorted(self._reasons.items(), key=lambda one: (-one[1], one[0]))
        return {
            "events": self._statuses.total(),
            "statuses": dict(self._statuses),
            "first": self._first or None,
            "last": self._last or None,
            "reasons": [
                {
                    "eventType": reason[0] or None,
                    "code": reason[1],
                    "pointer": reason[2],
                    "events": count,
                    "open": self._open[reason],
                }
                for reason, count in ordered
            ],
        }


def show_summary(document: Mapping[str, Any]) -> None:
    """Prints a summary."""
    if not document["events"]:
        out.print("Nothing is in quarantine.")
        return
    statuses = ", ".join(f"{count:,} {status}" for status, count in document["statuses"].items())
    out.print(f"{counted(document['events'], 'refused event')}: {statuses}.")
    out.print(f"They came from {document['first']} to {document['last']}.")
    reasons = document["reasons"]
    rows = [
        (
            f"{one['events']:,}",
            f"{one['open']:,}",
            visible(one["eventType"] or "no type"),
            one["code"],
            visible(one["pointer"] or "/"),
        )
        for one in reasons[:REASONS]
    ]
    out.print(fitted(("events", "open", "type", "code", "field"), rows, folded={"field"}))
    if len(reasons) > REASONS:
        out.print(f"… and {counted(len(reasons) - REASONS, 'more reason')}; --json has all of them.")
    if sum(one["events"] for one in reasons) > document["events"]:
        out.print("An event with several errors is in several lines.")


def reasons_of(results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """How many of the results have which errors, the most frequent first."""
    counts = Counter(
        "; ".join(
            dict.fromkeys(
                f"{visible(one['pointer'] or '/')} {one['code']}" for one in result.get("errors", ())
            )
        )
        or result["status"]
        for result in results
    )
    most = counts.most_common(REASONS)
    for reason, count in most:
        yield f"  {count:,} × {reason}"
    if len(counts) > len(most):
        yield f"  … and {counted(len(counts) - len(most), 'more reason')}"


def operations_of(results: Iterable[Mapping[str, Any]], operations: Sequence[Any]) -> Iterator[str]:
    """The operations of a patch that did not apply to some of the results."""
    numbers = {
        int(match[1])
        for result in results
        for error in result.get("errors", ())
        if (match := _OPERATION.match(error["message"]))
    }
    for number in sorted(numbers):
        if number <= len(operations):
            yield cut(
                f"Operation {number} of the patch is {exact_json.dumps(operations[number - 1]).decode()}."
            )


def _type(refused: Refused) -> str:
    version = f" {refused['version']}" if refused.get("version") else ""
    return visible(f"{refused['eventType'] or 'no type'}{version}")


def _history(refused: Refused) -> Iterator[str]:
    attempts = refused.get("attempts", ())
    for one in attempts:
        yield f"  {one['at']}  replay by {visible(one['by'])}: {one['status']}"
        yield from ("  " + line for line in _indented(sentences(one)))
    if refused.get("closedAt"):
        yield f"  {refused['closedAt']}  {refused['status']} by {visible(refused['closedBy'])}"
    elif not attempts:
        yield "  nothing yet"


def _indented(said: Sequence[str], most: int | None = None) -> Iterator[str]:
    """Sentences broken between words; a path stays whole."""
    for one in said[:most]:
        yield from wrapped(cut(one), "  ", "  ")
    if most is not None and len(said) > most:
        yield f"  … and {counted(len(said) - most, 'more error')}; millrace quarantine show ID has all of them"


def show_replay(document: Mapping[str, Any], operations: Sequence[Any], *, dry_run: bool) -> None:
    """Prints what became of a replay, and why each event was not taken; `operations` are those of its patch."""
    failing = [result for result in document["results"] if result["status"] not in PASSED]
    for result in failing[:SHOWN]:
        print_lines(failure(result))
    if len(failing) > SHOWN:
        out.print(f"… and {counted(len(failing) - SHOWN, 'more event')} (--json lists them all):")
        print_lines(reasons_of(failing[SHOWN:]))
    print_lines(operations_of(failing, operations))
    if not document["matched"]:
        out.print("Nothing open matches.")
    elif dry_run:
        out.print(f"{at_least(document)} matched, {document['wouldPass']} would pass")
    else:
        out.print(f"{document['replayed']} replayed, {document['stillFailing']} still failing")


def at_least(document: Mapping[str, Any]) -> str:
    """How many events match."""
    return f"at least {document['matched']}" if document["more"] else str(document["matched"])


def unfinished(document: Mapping[str, Any], *, dry_run: bool) -> str:
    """Why a replay ends with exit code 1."""
    if document["more"] and not dry_run:
        return "more events match that were not tried: run the same command again, or narrow the filter"
    return "not everything would pass" if dry_run else "what still fails stays in quarantine"


def print_list(items: Iterable[Refused], limit: int | None) -> None:
    """Prints a block for each; `limit` is how many were wanted, where there are more."""
    for item in items:
        print_lines(block(item))
    if limit is not None:
        out.print(f"There are more: --limit {limit * 10}; millrace quarantine summary counts all of them")


def print_lines(lines: Iterable[str]) -> None:
    """Prints lines as they are."""
    for line in lines:
        out.print(line, markup=False)
