"""Whom a refused event may be about, whatever form it was sent in, in bounded time."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts import registry
from millrace.quarantine.mentions import BYTES, PEOPLE, VALUES, Mentions

WHO = "usr_vera"


@pytest.fixture
def mentions(bundle: Path) -> Mentions:
    return Mentions(registry.load())


def written(event: Any) -> bytes:
    return json.dumps(event).encode()


PARSED: dict[str, Any] = {
    "the envelope": {"eventType": "order.created", "userId": WHO, "data": {"payload": {}}},
    "a payload of a known type": {"eventType": "order.created", "data": {"payload": {"userId": WHO}}},
    "a payload of another version": {
        "eventType": "order.created",
        "version": "99",
        "data": {"payload": {"userId": WHO}},
    },
    "an unknown type": {"eventType": "no.such", "data": {"payload": {"customer_id": WHO}}},
    "a type of another producer": {
        "eventType": "track:Product Viewed",
        "data": {"payload": {"user_id": WHO}},
    },
    "a message of another producer": {"type": "track", "context": {"traits": {"userId": WHO}}},
    "ProtoJSON": {"event_type": "order.created", "user_id": WHO},
    "a payload without data": {"eventType": "order.created", "payload": {"userId": WHO}},
    "a type that is none": {"eventType": 7, "data": {"payload": {"user_id": WHO}}},
    "an object in place of the id": {"userId": {"id": WHO}},
    "a list in place of the id": {"userId": [WHO]},
    "blanks around the id": {"userId": f" {WHO} "},
    "a payload that is one text": {"data": {"payload": json.dumps({"userId": WHO})}},
    "a text in a text": {"data": json.dumps({"payload": json.dumps({"userId": WHO})})},
    "a list of events": [[{"userId": WHO}]],
}


@pytest.mark.parametrize("form", PARSED)
def test_who_is_named_in_any_form(mentions: Mentions, form: str) -> None:
    found = mentions.of(written(PARSED[form]))
    assert WHO in found.users
    assert found.whole


def test_numbers_are_ids_too_and_all_else_is_not(mentions: Mentions) -> None:
    event = {
        "eventType": "transaction.created",
        "data": {"payload": {"user_id": 4711, "amount": 42}},
        "x": "mark",
    }
    assert mentions.of(written(event)).users == {"4711"}
    assert mentions.of(written({"a": 1})).users == set()
    assert mentions.of(written({"user": {"id": 5, "age": 42}})).users == {"5"}


BROKEN = {
    "torn": f'{{"userId": "{WHO}", "data": {{'.encode(),
    "two values": f'{{"user_id": "{WHO}"}} {{'.encode(),
    "without quotes": f"{{userId: {WHO}, a: 1}}".encode(),
    "single quotes": f"{{'user_id': '{WHO}'}}".encode(),
    "a form": f"a=1&userId={WHO}&b=2".encode(),
    "escaped once more": rf'"{{\"userId\": \"{WHO}\"'.encode(),
    "letters as numbers": f'{{"userId": "\\u0075{WHO[1:]}", '.encode(),
    "a name as numbers": f'{{"\\u0075serId": "{WHO}", '.encode(),
    "within a text": f'{{"payload": "{{\\"userId\\": \\"{WHO}\\"", '.encode(),
    "two bytes a character": f'{{"userId": "{WHO}"}}'.encode("utf-16-le"),
    "not UTF-8": b'{"a": "\xff", "userId": "' + WHO.encode() + b'"}',
    "a payload that is one broken text": written({"data": {"payload": f'{{"userId": "{WHO}", '}}),
}


@pytest.mark.parametrize("form", BROKEN)
def test_who_is_named_in_what_cannot_be_parsed_and_that_there_may_be_others(
    mentions: Mentions, form: str
) -> None:
    found = mentions.of(BROKEN[form])
    assert WHO in found.users
    assert not found.whole
    assert mentions.may_name(BROKEN[form], WHO)
    assert not mentions.may_name(BROKEN[form], "usr_other")


@pytest.mark.parametrize(
    "raw",
    [
        f'{{"to": "{WHO}", '.encode(),  # in a field that nobody knows
        f"{{'to': ['{WHO}', 1]".encode(),
        f'{{"userId": "{WHO[:5]}'.encode(),  # torn within the id
        f'{{"to": "\\u0075{WHO[1:]}", '.encode(),
        written({f"n{number}": number for number in range(60_000)} | {"userId": WHO}),
    ],
)
def test_an_erasure_finds_an_id_anywhere_in_what_may_be_about_anybody(mentions: Mentions, raw: bytes) -> None:
    assert not mentions.of(raw).whole
    assert mentions.may_name(raw, WHO)
    assert not mentions.may_name(raw, "usr_other")
    assert not mentions.may_name(raw, WHO[4:]), "not as a part of a longer id"


def test_a_short_id_is_found_by_the_name_of_its_field_alone(mentions: Mentions) -> None:
    assert mentions.may_name(b'{"userId": 42, ', "42")
    assert not mentions.may_name(b'{"amount": 42, "at": "10:42:00", "userId": 420, ', "42")


@pytest.mark.parametrize(
    "raw",
    [
        written({f"name{number}": number for number in range(60_000)}),
        written({f"user_id{'_' * (number % 60)}": f"u{number}" for number in range(60_000)}),
        written([[{"userId": number}] for number in range(60_000)]),
        b"[" * 100_000,
        b'{"userId":"' + b"x" * 3_000_000,
        b"userId " * 400_000,
        b"userId:" + b" " * 2_000_000,
        b"userId=" * 400_000,
        b"a" * 3_000_000,
        b"userId" + b"\\" * 2_000_000,
        b'"userId":"' + b"\\\\" * 1_000_000,
        written({"userId": [f"u{number}" for number in range(PEOPLE + 1)]}),
        written({"data": json.dumps([{"a": 1}] * 20_000)}),
    ],
    ids=range(13),
)
def test_its_time_and_memory_are_bounded_and_then_it_is_about_somebody_unknown(
    mentions: Mentions, raw: bytes
) -> None:
    began = time.process_time()
    found = mentions.of(raw)
    mentions.may_name(raw, WHO)
    assert time.process_time() - began < 5
    assert len(found.users) <= PEOPLE
    assert not found.whole


def test_what_is_just_within_the_bounds_is_known_as_a_whole(mentions: Mentions) -> None:
    assert mentions.of(written({"a": [1] * (VALUES - 3), "userId": WHO})).whole
    text = written({"userId": WHO, "note": "x"})
    assert mentions.of(text[:-2] + b"x" * (BYTES - len(text)) + b'"}').whole
