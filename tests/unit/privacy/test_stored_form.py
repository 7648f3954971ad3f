"""What is stored of protected values says nothing of them, and only the person's key gives them back, in their own event."""

import copy
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.privacy import seal, stored_form
from millrace.privacy.places import Places
from millrace.privacy.tokens import SEALED, is_token, token

TOKENS, KEY = b"t" * 32, b"p" * 32
PLACES = Places(
    {
        "/data/payload/email": "restricted",
        "/data/payload/address/city": "confidential",
        "/data/payload/contacts/*/phone": "restricted",
        "/data/metadata/a~1b": "confidential",
    }
)


def envelope(**payload: Any) -> dict[str, Any]:
    return {
        "eventId": "0F9F6F0E-6c6c-4a52-9a5e-3d8c3f3f5b11",
        "eventType": "user.registered",
        "data": {"payload": payload, "metadata": {"a/b": "slash"}},
        "platform": {"orgId": "org_acme", "contract": "user.registered/2.1.0"},
    }


def stored(event: dict[str, Any]) -> Any:
    return stored_form.protected(event, PLACES, TOKENS, 7, KEY)


SECRET = envelope(
    email="ann@example.com",
    address={"city": "Bonn", "country": "DE"},
    contacts=[{"phone": "1"}, {"other": 2}, {"phone": "3"}],
    plan="free",
)


def test_each_class_leaves_what_it_says_and_everything_else_stays() -> None:
    before = copy.deepcopy(SECRET)
    kept = stored(SECRET)
    assert before == SECRET, "the event itself is not changed"
    payload = kept["data"]["payload"]
    assert payload == {
        "email": SEALED,
        "address": {"city": token(TOKENS, "Bonn"), "country": "DE"},
        "contacts": [{"phone": SEALED}, {"other": 2}, {"phone": SEALED}],
        "plan": "free",
    }
    assert kept["data"]["metadata"] == {"a/b": token(TOKENS, "slash")}
    assert kept["platform"]["sealed"]["subject"] == 7
    text = json.dumps(kept)
    assert not any(value in text for value in ("ann@", "Bonn", "slash"))


def test_the_key_of_the_person_gives_the_event_back() -> None:
    kept = stored(SECRET)
    assert stored_form.shown(kept, stored_form.values(kept, KEY)) == SECRET


def test_an_event_without_protected_values_is_stored_as_it_is() -> None:
    event = envelope(plan="free", email=None, contacts=[])
    del event["data"]["metadata"]
    assert stored(event) is event


@pytest.mark.parametrize(
    "event",
    [
        envelope(email="e"),
        envelope(address={"city": "c"}),
        envelope(contacts=[{"phone": "1"}]),
        envelope(contacts=[{"phone": "1"}, {"phone": "2"}]),
        envelope(email="", address={"city": ""}),
    ],
    ids=["two parts", "depths", "one item", "items", "empty"],
)
@pytest.mark.parametrize("has_metadata", [True, False])
def test_whatever_the_pointers_have_in_common_all_values_come_back(
    event: dict[str, Any], *, has_metadata: bool
) -> None:
    event = copy.deepcopy(event)
    if not has_metadata:
        del event["data"]["metadata"]
    kept = stored(event)
    assert stored_form.shown(kept, stored_form.values(kept, KEY)) == event


def test_what_all_pointers_begin_with_is_sealed_once() -> None:
    four = {f"/data/metadata/shippingAddress/{name}": "x" for name in ("city", "code", "name", "street")}
    assert json.loads(stored_form._written(four)) == {
        "": "/metadata/shippingAddress",
        **{f"/{name.rpartition('/')[2]}": "x" for name in four},
    }
    # A name is common as a whole or not at all.
    assert json.loads(stored_form._written({"/data/payload/a/x": 1, "/data/payload/ab/x": 2})) == {
        "": "/payload",
        "/a/x": 1,
        "/ab/x": 2,
    }


@pytest.mark.parametrize(
    "moved",
    [
        {"eventId": "0f9f6f0e-6c6c-4a52-9a5e-3d8c3f3f5b12"},
        {"eventType": "user.identified"},
        {"orgId": "org_globex"},
        {"contract": "user.registered/3.0.0"},
    ],
    ids=lambda moved: next(iter(moved)),
)
def test_values_cannot_be_read_in_another_place(moved: dict[str, str]) -> None:
    kept = stored(SECRET)
    other = {**kept, "platform": {**kept["platform"]}}
    for name, value in moved.items():
        (other["platform"] if name in ("orgId", "contract") else other)[name] = value
    with pytest.raises(seal.UnreadableError):
        stored_form.values(other, KEY)
    same = {**kept, "eventId": kept["eventId"].lower()}
    assert stored_form.values(same, KEY) == stored_form.values(kept, KEY), "a UUID in any case is one id"


@pytest.mark.parametrize("damage", ["key", "data", "short", "none"])
def test_what_is_damaged_is_unreadable_and_nothing_else(damage: str) -> None:
    kept = stored(SECRET)
    block = kept["platform"]["sealed"]
    if damage == "data":
        block["data"] = ("B" if block["data"][40] == "A" else "A").join(
            (block["data"][:40], block["data"][41:])
        )
    elif damage == "short":
        block["data"] = "AAAA"
    elif damage == "none":
        del kept["platform"]["sealed"]
    with pytest.raises(seal.UnreadableError):
        stored_form.values(kept, b"x" * 32 if damage == "key" else KEY)


def test_who_may_not_see_values_sees_masks_also_of_rows_of_before() -> None:
    kept = stored(SECRET)
    hidden = stored_form.hidden(kept, PLACES, lambda: TOKENS)
    assert hidden == stored_form.hidden(SECRET, PLACES, lambda: TOKENS), "a row of before looks the same"
    assert "sealed" not in hidden["platform"]
    assert hidden["data"]["payload"]["address"]["city"] == token(TOKENS, "Bonn")


def test_a_protected_field_that_holds_no_text_is_hidden_whole() -> None:
    old = envelope(email=["ann@example.com"], address={"city": {"name": "Bonn"}})
    hidden = stored_form.hidden(old, PLACES, lambda: TOKENS)
    assert hidden["data"]["payload"] == {"email": SEALED, "address": {"city": SEALED}}


def test_tokens_join_within_a_tenant_and_say_nothing_across() -> None:
    assert token(TOKENS, "Bonn") == token(TOKENS, "Bonn") != token(TOKENS, "bonn")
    assert token(TOKENS, "Bonn") != token(b"u" * 32, "Bonn")
    assert is_token(token(TOKENS, "\ud800"))
    assert not is_token("tk_short")
    assert not is_token(SEALED)


def test_two_seals_of_one_text_have_nothing_in_common() -> None:
    first, second = (seal.seal(KEY, ["a"], b"text") for _ in range(2))
    assert first[:12] != second[:12]
    assert first[12:] != second[12:]


def test_what_is_compared_differs_by_value_and_by_person() -> None:
    one = stored_form.comparable(SECRET, PLACES, KEY)
    assert b"ann@" not in orjson.dumps(one)
    assert one == stored_form.comparable(SECRET, PLACES, KEY)
    other = {**SECRET, "data": {**SECRET["data"], "payload": {**SECRET["data"]["payload"], "email": "b@x"}}}
    assert (
        one != stored_form.comparable(other, PLACES, KEY) != stored_form.comparable(SECRET, PLACES, b"q" * 32)
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "email": JSON,
            "address": st.dictionaries(st.sampled_from(["city", "x"]), JSON) | JSON,
            "contacts": st.lists(st.dictionaries(st.sampled_from(["phone", "y"]), JSON), max_size=4) | JSON,
        },
    )
)
def test_whatever_an_event_holds_comes_back(payload: dict[str, Any]) -> None:
    event = envelope(**payload)
    kept = stored(event)
    assert stored_form.shown(kept, stored_form.values(kept, KEY)) == event


def completed(event: Any, key: bytes = KEY, places: Places = PLACES) -> Any:
    return stored_form.completed(event, places, TOKENS, 7, key)


def test_a_row_in_clear_is_completed_to_what_would_be_stored_and_the_same_each_time() -> None:
    made = completed(SECRET)
    assert made["data"] == stored(SECRET)["data"]
    assert stored_form.values(made, KEY) == stored_form.values(stored(SECRET), KEY)
    assert made == completed(SECRET)
    assert completed(made) is made
    other = {**SECRET, "eventId": "1f9f6f0e-6c6c-4a52-9a5e-3d8c3f3f5b11"}
    assert completed(other)["platform"]["sealed"]["data"][:16] != made["platform"]["sealed"]["data"][:16], (
        "no nonce serves two events"
    )


def test_what_is_protected_since_is_sealed_beside_what_was() -> None:
    first = Places({"/data/payload/email": "restricted"})
    row = stored_form.protected(SECRET, first, TOKENS, 7, KEY)
    made = completed(row)
    assert stored_form.values(made, KEY) == stored_form.values(stored(SECRET), KEY)
    with pytest.raises(seal.UnreadableError):
        completed(row, b"o" * 32)
    masked = stored_form.masked_only(row, PLACES, TOKENS)
    assert masked["data"] == stored(SECRET)["data"]
    assert stored_form.values(masked, KEY) == {"/data/payload/email": "ann@example.com"}
    assert [stored_form.has_clear(one, PLACES) for one in (SECRET, row, made, masked)] == [
        True,
        True,
        False,
        False,
    ]
