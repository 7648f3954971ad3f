"""The fingerprint is of the content, and a row of an earlier version keeps the meaning that it had."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.eventstore.append import AppendResult, compare
from millrace.eventstore.content import read
from millrace.eventstore.fingerprint import Fingerprint, fingerprint, later, told_nothing
from millrace.intake.parse import candidates
from tests.unit.intake.test_accept import World, codes, order, statuses

KEY = b"k" * 32
ID = "3f2b8c1e-5d74-4a6b-9e0f-7c1d2a3b4c5d"


def of(event: Any, key: bytes = KEY) -> Fingerprint:
    said = read(event)
    assert isinstance(said, tuple)
    return fingerprint(said, event, key)


def older(event: Any, key: bytes = KEY) -> bytes:
    """As version 1 wrote it, with numbers as they were spelled."""
    return hmac.digest(key, orjson.dumps(event, option=orjson.OPT_SORT_KEYS), hashlib.sha256)[:16]


def raw(spelled: str, **changes: Any) -> Any:
    """The event of a body in which a number is spelled in this way."""
    (only,) = candidates(
        json.dumps({"eventId": ID, "amount": "?", **changes}).replace('"?"', spelled).encode(),
        "application/json",
    )
    return only.event


@pytest.mark.parametrize("spelled", ["10", "10.0", "1e1", "1E1", "1e+01", "0.1e2", "10." + "0" * 300])
def test_one_number_is_one_content(spelled: str) -> None:
    assert of(raw(spelled)) == of(raw("10"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0", "-0.0", True),
        ("0", "-0", True),
        ("0", "1e-400", True),
        ("0.1", "0.1" + "0" * 200, True),
        ("1e18", "1000000000000000000", True),
        ("-9223372036854775808", "-9223372036854775808.0", True),
        ("1e20", "100000000000000000000.0", True),
        ("9007199254740993", "9007199254740992", False),
        ("10", '"10"', False),
        ("10", "10.5", False),
        ("1", "true", False),
        ("0", "null", False),
    ],
)
def test_numbers_are_told_apart_by_value(one: str, other: str, same: bool) -> None:
    assert (of(raw(one)) == of(raw(other))) is same


def test_what_else_is_the_same_and_what_is_not() -> None:
    event = {"eventId": ID, "a": {"x": "é", "y": [1, 2]}, "timestamp": "2026-11-21T05:59:00Z"}
    assert of(dict(reversed(event.items()))) == of(event)
    assert of({**event, "eventId": ID.upper()}) == of(event)
    assert of(json.loads(json.dumps(event, indent=3))) == of(event)
    for change in (
        {"a": {"x": "É", "y": [1, 2]}},
        {"a": {"x": "é", "y": [2, 1]}},
        # A text is its characters: the offset and the digits that a producer wrote are part of what it said.
        {"timestamp": "2026-11-21T05:59:00.000Z"},
        {"timestamp": "2026-11-21T06:59:00+01:00"},
        # null is a value; nothing is none.
        {"b": None},
    ):
        assert of({**event, **change}) != of(event), change
    assert of(event, b"x" * 32) != of(event)


@given(
    st.dictionaries(
        st.text(max_size=4), st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9)
    )
)
def test_an_older_row_of_the_same_event_is_known(fields: dict[str, Any]) -> None:
    event = {"eventId": ID, **fields}
    assert of(event).matches(older(event))
    assert of(event).matches(of(event))
    assert not of(event).matches(older({**event, "another": 1}))
    assert not of(event).matches(of({**event, "another": 1}))
    assert not of(event).matches(older(event, b"x" * 32))


def test_a_row_is_judged_by_the_form_it_has() -> None:
    event = {"eventId": ID, "amount": 10.0}

    def item(made: bytes, request: str) -> dict[str, Any]:
        return {"fingerprint": {"B": made}, "requestId": {"S": request}}

    assert compare(item(older(event), "1"), item(of(event), "2")) is AppendResult.DUPLICATE
    assert compare(item(older(event), "1"), item(of(event), "1")) is AppendResult.ACCEPTED
    assert compare(item(older({**event, "amount": 11.0}), "1"), item(of(event), "2")) is AppendResult.CONFLICT
    # Version 1 knew 10 and 10.0 as two stories, and a row of it goes on to.
    assert compare(item(older({**event, "amount": 10}), "1"), item(of(event), "2")) is AppendResult.CONFLICT
    assert compare(item(of({**event, "amount": 10}), "1"), item(of(event), "2")) is AppendResult.DUPLICATE
    # What the platform derives has fingerprints without a version: they are the same or they are not.
    assert compare(item(b"a" * 16, "1"), item(b"a" * 16, "2")) is AppendResult.DUPLICATE
    assert compare(item(b"a" * 16, "1"), item(b"b" * 16, "2")) is AppendResult.CONFLICT


@pytest.fixture
def world(bundle: Path) -> World:
    return World()


def with_amount(event: dict[str, Any], amount: float) -> dict[str, Any]:
    return {**event, "data": {"payload": {**event["data"]["payload"], "extra": amount}}}


def test_copies_meet_an_older_row_each_by_its_own_spelling(world: World) -> None:
    event = order()
    ten, ten_again = with_amount(event, 10), with_amount(event, 10.0)
    world.send(ten_again)
    (row,) = world.table.rows.values()
    row["fingerprint"] = {"B": older(ten_again, world.keys.key("org_acme"))}
    assert statuses(world.send(ten_again)) == ["duplicate"]
    assert statuses(world.send(ten)) == ["conflict"]
    # The answer to one does not hang on its neighbours.
    assert statuses(world.send(ten, ten_again, ten)) == ["conflict", "duplicate", "conflict"]
    assert statuses(world.send(ten_again, ten)) == ["duplicate", "duplicate"]


def test_the_same_order_spelled_anew_is_a_duplicate(world: World) -> None:
    event = order()
    assert statuses(world.send(with_amount(event, 10))) == ["accepted"]
    answered = world.send(with_amount(event, 10.0), with_amount(event, 10.5))
    assert statuses(answered) == ["duplicate", "conflict"]
    assert codes(answered, 1) == [("/eventId", "conflict")]


def test_a_row_of_the_second_form_holds_nulls_as_they_were_sent() -> None:
    event = {"eventId": ID.upper(), "userId": None, "amount": 10.0}
    spelled = orjson.dumps({**event, "eventId": ID, "amount": 10}, option=orjson.OPT_SORT_KEYS)
    second = b"\x02" + hmac.digest(KEY, spelled, hashlib.sha256)[:16]
    without = {"eventId": ID.upper(), "amount": 10}
    kept = read(without)
    assert isinstance(kept, tuple)
    assert fingerprint(kept, event, KEY).matches(second)
    assert not fingerprint(kept, without, KEY).matches(second)


PERSON, OTHERS = b"p" * 32, b"o" * 32
SENT = {"eventId": ID.upper(), "street": "Marked Street 1", "floor": None, "amount": 10.0}
HIDDEN = {"eventId": ID.upper(), "street": "HMAC", "amount": 10}


def protected(sent: Any, person: bytes = PERSON) -> Fingerprint:
    """Of an event with a protected value, as intake makes it now."""
    kept, hidden = read({name: value for name, value in sent.items() if value is not None}), read(HIDDEN)
    assert isinstance(kept, tuple)
    assert isinstance(hidden, tuple)
    return fingerprint(kept, sent, KEY, hidden, person)


def in_clear(form: int, sent: Any) -> bytes:
    """As a row in clear has it."""
    by_value = {**sent, "eventId": ID, "amount": int(sent["amount"])}
    if form == 1:
        return older(sent)
    said = by_value if form == 2 else {name: one for name, one in by_value.items() if one is not None}
    written = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    return bytes([form]) + hmac.digest(KEY, written, hashlib.sha256)[:16]


@pytest.mark.parametrize("form", [1, 2, 3])
def test_a_row_that_was_protected_later_is_the_same_event(form: int) -> None:
    stored = later(in_clear(form, SENT), PERSON)
    assert (stored[0], len(stored)) == (5, 17)
    assert protected(SENT).matches(stored)
    assert not protected({**SENT, "street": "Another Street 2"}).matches(stored)
    assert not protected(SENT, OTHERS).matches(stored), "without the person's key no guess can be tested"
    assert not of(SENT).matches(stored)
    assert later(stored, OTHERS) == stored, "once is enough"
    assert protected(SENT).matches(in_clear(form, SENT)), "and rows in clear are still the same event"


def test_a_fingerprint_that_tells_nothing_is_no_events() -> None:
    assert not protected(SENT).matches(told_nothing(ID))
    assert told_nothing(ID) != told_nothing(ID.upper())


def test_one_of_a_protected_event_stays() -> None:
    assert later(bytes(protected(SENT)), PERSON) == protected(SENT)
