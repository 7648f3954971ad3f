"""A first contract accepts all that it was made from, marks what it guessed, and says what no contract can hold."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.compiler import first_contract
from millrace.compiler.event_contracts import compile_document
from millrace.contracts.validator import Validator

MOMENT = "2026-11-21T09:30:00Z"
TICKET = {
    "ticketId": "tkt_1",
    "customerId": "cus_1",
    "email": "ada@example.org",
    "openedAt": "2026-11-21T09:30:00+01:00",
    "due": "2026-11-24",
    "refundAmount": 12.5,
    "ratio": 0.123456,
    "country": "PT",
    "currency": "EUR",
    "clientIp": "192.0.2.7",
    "trace": "5f0c6d5e-7f0b-4f5e-9d0e-3d3f2b8a9c11",
    "urgent": False,
    "minutes": 7,
    "tags": [],
    "items": [{"sku": "a", "price": 2}, {"sku": "b", "price": 2.25, "note": None}],
    "shipping": {"street": "Rua 1", "city": "Lisboa"},
    "extra": {},
    "nothing": None,
}


def made(*payloads: Any, event_type: str | None = "ticket.opened") -> first_contract.FirstContract:
    text = "\n".join(map(json.dumps, payloads)).encode()
    return first_contract.infer(first_contract.read(text), event_type, None, MOMENT)


def problems(*payloads: Any, event_type: str | None = "ticket.opened") -> list[str]:
    with pytest.raises(first_contract.SamplesError) as refused:
        made(*payloads, event_type=event_type)
    return refused.value.problems


def fields(contract: first_contract.FirstContract) -> dict[str, dict[str, Any]]:
    properties = contract.document["schema"][0]["properties"][0]["properties"]
    return {one["name"]: one for one in properties}


def test_types_and_formats_are_guessed() -> None:
    found = fields(made(TICKET))
    kinds = {
        name: (one["logicalType"], one.get("logicalTypeOptions", {}).get("format"))
        for name, one in found.items()
    }
    assert kinds["ticketId"] == ("string", "identifier")
    assert kinds["email"] == ("string", "email")
    assert kinds["openedAt"] == ("timestamp", None)
    assert kinds["due"] == ("date", None)
    assert kinds["country"] == ("string", "country")
    assert kinds["currency"] == ("string", "currency")
    assert kinds["clientIp"] == ("string", "ipv4")
    assert kinds["trace"] == ("string", "uuid")
    assert kinds["urgent"] == ("boolean", None)
    assert kinds["minutes"] == ("integer", None)
    assert found["refundAmount"]["physicalType"] == "decimal(18,4)"
    assert "physicalType" not in found["ratio"]
    assert [one["name"] for one in found["shipping"]["properties"]] == ["street", "city"]
    price = found["items"]["items"]["properties"][1]
    assert (price["name"], price["physicalType"], price["required"]) == ("price", "decimal(18,4)", True)
    assert found["tags"]["items"] == {"logicalType": "string"}
    assert "properties" not in found["extra"]


def test_personal_fields_are_marked_and_their_values_stay_out_of_the_repository() -> None:
    contract = made(TICKET)
    found = fields(contract)
    assert found["email"]["classification"] == found["clientIp"]["classification"] == "confidential"
    assert found["shipping"]["properties"][0]["classification"] == "restricted"
    written = contract.text + json.dumps(contract.golden)
    assert not any(value in written for value in ("ada@example.org", "192.0.2.7", "Rua 1"))


def test_what_is_in_every_sample_is_required() -> None:
    without = {key: value for key, value in TICKET.items() if key != "minutes"}
    found = fields(made(TICKET, without, {**TICKET, "urgent": None}))
    assert "required" not in found["minutes"]
    assert "required" not in found["urgent"]
    assert found["ticketId"]["required"]


def test_few_values_of_many_samples_are_a_list_with_its_counts() -> None:
    payloads = [{"state": state} for state in ("open", "closed", "NO") for _ in range(6)]
    contract = made(*payloads)
    assert fields(contract)["state"]["enum"] == [{"value": one} for one in ("NO", "closed", "open")]
    assert "# guessed: a list of values (open 6, closed 6, NO 6)" in contract.text
    assert "enum" not in fields(made(*payloads[:8]))["state"]


def test_keys_are_guessed() -> None:
    text = made(TICKET).text
    assert "{property: entity, value: {ticket: /data/payload/ticketId}}" in text
    assert "{property: userId, value: /data/payload/customerId}" in text
    assert "{property: indexes, value: [type, user, entity]}" in text


def test_whole_events_of_one_type_are_taken() -> None:
    event = made(TICKET).golden[0]
    other = {**event, "eventType": "ticket.rated"}
    assert made(event, event_type=None).event_type == "ticket.opened"
    assert made(event, other, event_type="ticket.rated").samples == 1
    assert "ticket.opened, ticket.rated" in problems(event, other, event_type=None)[0]
    assert problems(event, other, event_type="ticket.closed") == [
        "no sample is of ticket.closed; there are ticket.opened, ticket.rated"
    ]
    assert "ids, value: any" in made({**event, "eventId": "01J9ZQ"}, event_type=None).text
    assert problems(event, TICKET) == [
        "line 1 is a whole event and line 2 a payload alone: put them in two files"
    ]


def test_the_first_golden_sample_has_every_field_and_the_broken_ones_are_refused() -> None:
    contract = made({"id": "a"}, {"id": "b", "note": "x"}, {"id": "c", "other": 1})
    assert contract.golden[0]["data"]["payload"] == {"id": "b", "note": "x", "other": 1}
    codes = {(error["pointer"], error["code"]) for one in contract.broken for error in one["errors"]}
    assert len(contract.broken) == len(codes) == 3


@pytest.mark.parametrize(
    ("payloads", "said"),
    [
        (({"a": 1}, {"a": "x"}), "/data/payload/a is integer (line 1) and text (line 2)"),
        (({"a": 2**64},), "line 1: /data/payload/a is beyond 64 bits"),
        (({"a": [1, None]},), "line 1: /data/payload/a holds a null"),
        (({"a-b": 1},), "/data/payload/a-b: a field's name is letters"),
        (({"eventId": "x"},), "would be silver's column event_id"),
    ],
)
def test_what_no_contract_holds_is_named_with_a_remedy(payloads: tuple[Any, ...], said: str) -> None:
    assert said in problems(*payloads)[0]


def test_broken_lines_are_named_by_number() -> None:
    with pytest.raises(first_contract.SamplesError) as refused:
        first_contract.read(b'{"a": 1}\n\n{"a":\n[1]\n')
    assert [one.partition(":")[0] for one in refused.value.problems] == ["line 3", "line 4"]
    for text in (b"", b"[]", b"[1"):
        with pytest.raises(first_contract.SamplesError):
            first_contract.read(text)


NAMES = st.from_regex(r"[a-z]{3,8}", fullmatch=True)
SCALARS = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=12))
PAYLOADS = st.dictionaries(
    NAMES, st.one_of(st.none(), SCALARS, st.lists(st.integers(0, 9), max_size=3)), max_size=5
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PAYLOADS, min_size=1, max_size=4))
def test_whatever_it_writes_accepts_every_sample(payloads: list[dict[str, Any]]) -> None:
    try:
        contract = made(*payloads)
    except first_contract.SamplesError:
        # Names that differ in nothing but case, or a field of two types: other tests say how.
        return
    validator = Validator(compile_document(contract.document, "it"))
    for event in contract.golden:
        assert validator.errors(event) == []


def test_a_field_is_classified_by_what_its_values_hold_too() -> None:
    values = {
        "comment": "ring me at +351 912 345 678",
        "reference": "DE89 3704 0044 0532 0130 00",
        "link": "https://shop.example/?email=ada@example.org",
        "origin": "from 203.0.113.7",
        "plain": "nothing here",
    }
    contract = made({**TICKET, **values}, {**TICKET, **values, "plain": "card 4111 1111 1111 1111"})
    classes = {name: one.get("classification") for name, one in fields(contract).items() if name in values}
    assert classes == {
        "comment": "confidential",
        "reference": "restricted",
        "link": "confidential",
        "origin": "confidential",
        "plain": "restricted",
    }
    written = contract.text + json.dumps(contract.golden)
    assert not any(
        part in written for part in ("912 345", "0532", "ada@example.org", "203.0.113.7", "4111 1111")
    )
    assert (
        "/data/payload/plain is restricted by its values: line 2 holds what looks like payment card"
        in contract.guesses
    )


def test_a_number_that_looks_personal_is_named_for_it_cannot_be_protected() -> None:
    contract = made({**TICKET, "value": 4111111111111111})
    assert any("/data/payload/value looks like payment card (line 1)" in one for one in contract.guesses)


def test_a_key_that_looks_personal_makes_a_contract_nevertheless() -> None:
    contract = made({**TICKET, "customerId": "ada@example.org"})
    assert fields(contract)["customerId"]["classification"] == "confidential"
