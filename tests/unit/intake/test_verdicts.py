"""An event's verdict is its own: the same alone, among any neighbours, in lines, compressed, and however it is spelled."""

import copy
import gzip
import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from millrace.core import clock
from millrace.intake import answer
from millrace.intake.enrich import Origin
from millrace.intake.parse import body_of, candidates
from tests.support.events import order, transaction
from tests.support.fuzz.post import events
from tests.support.fuzz.spelling import recased, spell
from tests.support.people import person
from tests.unit.intake.test_accept import World

JSON, NDJSON = "application/json", "application/x-ndjson"


class Door:
    """A tenant's intake over stores in memory, asked with bodies."""

    def __init__(self) -> None:
        self.world, self.at = World(), clock.now()
        self.asked = 0

    def ask(self, body: bytes, kind: str = JSON, *, compressed: bool = False) -> list[dict[str, Any]]:
        """The results of a request."""
        self.asked += 1
        sent = gzip.compress(body, 1) if compressed else body
        headers = {"content-encoding": "gzip"} if compressed else {}
        origin = Origin("org_acme", "shop", f"request-{self.asked}", self.at)
        found = candidates(body_of(sent, headers), kind)
        results: list[dict[str, Any]] = answer.body(self.world.intake.accept(found, origin))["results"]
        return results


def raw(event: Any, rng: random.Random) -> bytes:
    return spell(event, rng).encode("utf-8", "surrogatepass")


def parses(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def verdict(result: dict[str, Any], *, again: bool) -> Any:
    """What was said of an event; of one that was taken before, that it is a duplicate now."""
    status = result["status"]
    errors = result.get("errors", [])
    if any(error["message"].startswith("not JSON") for error in errors):
        # It says at which byte, and that is a matter of spelling.
        return status, [(error["pointer"], error["code"]) for error in errors]
    return "duplicate" if again and status == "accepted" else status, errors


def event_id(event: Any) -> Any:
    found = event.get("eventId") if isinstance(event, dict) else None
    return found.lower() if isinstance(found, str) else None


@settings(
    deadline=None,
    max_examples=60,
    # What is generated is large: to shrink it would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(events(), st.lists(events(), max_size=3), st.integers(0, 10**9))
def test_an_event_is_judged_by_what_it_says_and_by_nothing_else(
    bundle: Path, event: Any, others: list[Any], seed: int
) -> None:
    rng, door = random.Random(seed), Door()
    # An array of arrays is another request, and a copy of the event another question.
    if isinstance(event, list):
        event = {"data": event}
    others = [other for other in others if event_id(other) is None or event_id(other) != event_id(event)]
    (first,) = door.ask(raw(event, random.Random(0)))
    expected = verdict(first, again=True)

    def other_spelling() -> bytes:
        return raw(recased(copy.deepcopy(event), rng), rng)

    beside = [text for other in others if parses(text := raw(other, rng))]
    at = rng.randrange(len(beside) + 1)
    for compressed in (False, True):
        (alone,) = door.ask(other_spelling(), compressed=compressed)
        assert verdict(alone, again=True) == expected
        lines = [*beside[:at], other_spelling(), *beside[at:]]
        in_lines = door.ask(b"\n".join(lines), NDJSON, compressed=compressed)
        assert verdict(in_lines[at], again=True) == expected
        if parses(other_spelling()):
            array = door.ask(b"[" + b",".join(lines) + b"]", compressed=compressed)
            assert verdict(array[at], again=True) == expected
    # What is kept of a refused event is judged alike when it comes again.
    for kept in [entry for entry in door.world.kept.entries if entry.index == at][-1:]:
        if kept.event_id is not None and kept.event_id.lower() == event_id(event):
            (replayed,) = door.ask(kept.raw)
            assert verdict(replayed, again=True) == expected


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ("1e20", "accepted"),
        ("100000000000000000000.0", "accepted"),
        ('"100000000000000000000"', "accepted"),
        ("9223372036854775807", "accepted"),
        ("-9223372036854775808", "accepted"),
        ("0." + "1" * 300, "accepted"),
        ("1e-400", "accepted"),
        ("-0", "accepted"),
        ("100000000000000000000", "rejected"),
        ("18446744073709551615", "rejected"),
        ("-9223372036854775809", "rejected"),
    ],
)
def test_a_number_is_judged_where_it_stands(bundle: Path, extra: str, status: str) -> None:
    door = Door()

    def with_extra(text: str, event: dict[str, Any]) -> bytes:
        return orjson.dumps(event).replace(b'"payload":{', b'"payload":{"extra":' + text.encode() + b",", 1)

    mine = with_extra(extra, order())
    texts = ["1e20", '"12345678901234567890"', "1234567890123456789", "100000000000000000000"]
    beside = [with_extra(text, order()) for text in texts]
    repeated = "duplicate" if status == "accepted" else status
    assert door.ask(mine)[0]["status"] == status
    for number in range(len(beside) + 1):
        bodies = [*beside[:number], mine, *beside[number:]]
        assert door.ask(b"[" + b",".join(bodies) + b"]")[number]["status"] == repeated
        assert door.ask(b"\n".join(bodies), NDJSON)[number]["status"] == repeated


@pytest.mark.parametrize(
    ("spelled", "status"),
    [
        ("1042", "accepted"),
        ("1042.0", "accepted"),
        ("1.042e3", "accepted"),
        ("10420E-1", "accepted"),
        ("1042.5", "rejected"),
        ('"1042"', "rejected"),
        ("1e19", "rejected"),
    ],
)
def test_a_whole_number_is_an_integer_however_spelled(bundle: Path, spelled: str, status: str) -> None:
    door = Door()
    event = transaction()
    event["data"]["payload"]["user_id"] = "?"
    body = orjson.dumps(event).replace(b'"?"', spelled.encode())
    (result,) = door.ask(body)
    assert result["status"] == status, result
    if status == "accepted":
        (row,) = door.world.table.rows.values()
        assert row["userKey"]["S"] == f"org_acme#{person('org_acme', 'user:1042').subject}"
