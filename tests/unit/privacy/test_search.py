"""Where in an event personal data is found, by its contract."""

from typing import Any

from millrace.contracts.contract import Contract
from millrace.privacy.search import Search, pattern
from tests.support.contracts import contract, event, field

MAIL, CARD = "jane@example.org", "4111111111111111"


def found(searched: Contract, payload: Any, **more: Any) -> dict[str, set[str]]:
    places: dict[str, set[str]] = {}
    for path, kinds in Search(searched).found(event(payload, **more)):
        places.setdefault(pattern(path), set()).update(kinds)
    return places


def test_declared_fields_items_and_maps_are_searched() -> None:
    searched = contract(
        field("note"),
        field("tags", "array", items={"logicalType": "string"}),
        field("buyer", "object", properties=[field("contact")]),
        field("extra", "object"),
    )
    payload = {
        "note": f"write to {MAIL}",
        "tags": ["red", CARD],
        "buyer": {"contact": MAIL},
        "extra": {"deep": [{"x": MAIL}]},
    }
    assert found(searched, payload) == {
        "/data/payload/note": {"email"},
        "/data/payload/tags/*": {"payment_card"},
        "/data/payload/buyer/contact": {"email"},
        "/data/payload/extra/deep/*/x": {"email"},
    }


def test_what_the_contract_does_not_declare_is_searched_too() -> None:
    assert found(contract(field("note")), {"other": MAIL, "note": "x"}) == {"/data/payload/other": {"email"}}
    sent = event({"note": "x"})
    sent["data"]["metadata"] = {"trace": MAIL}
    assert [pattern(path) for path, _ in Search(contract(field("note"))).found(sent)] == [
        "/data/metadata/trace"
    ]


def test_a_name_that_is_itself_personal_is_found_and_not_shown() -> None:
    assert found(contract(field("counts", "object")), {"counts": {MAIL: 3, "ok": 1}}) == {
        "/data/payload/counts/*": {"email"}
    }


def test_protected_fields_persons_and_exceptions_are_left_out() -> None:
    searched = contract(
        field("email", classification="confidential"),
        field("userId"),
        field("support"),
        field("colour", enum=[{"value": MAIL}]),
        field("note"),
        userId="/data/payload/userId",
        personalData={"found": "quarantine", "except": ["/data/payload/support"]},
    )
    payload = {"email": MAIL, "userId": MAIL, "support": MAIL, "colour": MAIL, "note": MAIL}
    assert found(searched, payload, userId=MAIL) == {"/data/payload/note": {"email"}}


def test_what_a_client_fills_in_around_the_data_is_searched() -> None:
    assert found(contract(field("note")), {}, correlationId=MAIL, sessionId="ses_1") == {
        "/correlationId": {"email"}
    }
