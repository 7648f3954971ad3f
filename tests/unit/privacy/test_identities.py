"""Where events name people, and what stands there once they are stored."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from millrace.compiler.event_contracts import compile_document
from millrace.contracts import registry
from millrace.privacy import identities
from millrace.privacy.identities import LEAST, Identities, is_number
from tests.support.contracts import document, field

PLACES = Identities([("data", "payload", "who"), ("data", "payload", "whom")])
NUMBERS = {"42": LEAST + 1, "usr_7": LEAST + 2}


def event(**payload: Any) -> dict[str, Any]:
    return {"userId": "42", "data": {"payload": payload, "metadata": {"who": 42}}}


def stored(envelope: dict[str, Any]) -> Any:
    return PLACES.rewritten(envelope, lambda user: str(NUMBERS[user]))


def test_every_place_is_rewritten_as_the_field_was_and_comes_back() -> None:
    sent = event(who=42, whom="usr_7", other=42)
    made = stored(sent)
    assert made == {
        "userId": str(LEAST + 1),
        "data": {
            "payload": {"who": LEAST + 1, "whom": str(LEAST + 2), "other": 42},
            "metadata": {"who": 42},
        },
    }
    assert PLACES.numbers(made) == {*NUMBERS.values()}
    assert PLACES.restored(made, {number: user for user, number in NUMBERS.items()}) == sent
    assert sent == event(who=42, whom="usr_7", other=42), "the event itself is not changed"


def test_who_is_not_known_any_more_stays_a_number() -> None:
    made = stored(event(who=42))
    assert PLACES.restored(made, {}) is made


@pytest.mark.parametrize("value", [None, "", [42], {"id": 42}, True, 1.5])
def test_what_names_nobody_stays(value: Any) -> None:
    envelope = {"data": {"payload": {"who": value}}}
    assert PLACES.users(envelope) == ()
    assert stored(envelope) is envelope


def test_ids_of_rows_from_before_are_no_numbers() -> None:
    assert not any(
        map(is_number, ["42", "usr_7", "4" * 15, str(LEAST - 1), str(2 * LEAST), f" {LEAST}", "4" * 17])
    )
    assert is_number(str(LEAST))
    assert is_number(str(2 * LEAST - 1))


def test_a_protected_subject_has_left_the_event_already(bundle: Path) -> None:
    contract = replace(
        registry.load().find("user.registered"),
        subject="/data/payload/email",
        classification={"/data/payload/email": "confidential"},
    )
    sent = {"userId": "42", "data": {"payload": {"email": "usr_7", "userId": "42"}}}
    assert identities.of(contract).users(sent) == ("42",)


def test_the_platforms_own_events_name_people_within_texts(bundle: Path) -> None:
    ann, bob = LEAST + 1, LEAST + 2
    sent = {
        "userId": str(ann),
        "data": {
            "payload": {
                "subject": f"user:{ann}",
                "message": f"Two of user:{ann}, then {bob}; not 1{ann}, {ann}0 or {2 * LEAST}.",
                "score": ann,
            }
        },
    }
    raised = identities.of(registry.load().find("alert.raised"))
    assert raised.numbers(sent) == {ann}
    # Bob is somebody, too; that his number stands there may be a client's doing.
    assert raised.restored(sent, {ann: "a+b@x", bob: "bob"}) == {
        "userId": "a+b@x",
        "data": {
            "payload": {
                "subject": "user:a+b@x",
                "message": f"Two of user:a+b@x, then {bob}; not 1{ann}, {ann}0 or {2 * LEAST}.",
                "score": ann,
            }
        },
    }
    assert raised.restored(sent, {}) is sent
    # What clients say is theirs: only the places of the contract are numbers of people.
    said = {"data": {"payload": {"message": f"user:{ann}"}}}
    assert identities.of(registry.load().find("campaign.alert_raised")).restored(said, {ann: "42"}) is said


def test_an_id_that_was_put_back_is_nobodys_number(bundle: Path) -> None:
    ann, bob = LEAST + 1, LEAST + 2
    users = {ann: str(bob), bob: "bob"}
    about_ann = {
        "userId": str(ann),
        "data": {"payload": {"subject": f"user:{ann}", "message": f"{ann}, {bob}"}},
    }
    raised = identities.of(registry.load().find("alert.raised"))
    assert raised.restored(about_ann, users) == {
        "userId": str(bob),
        "data": {"payload": {"subject": f"user:{bob}", "message": f"{bob}, {bob}"}},
    }
    granted = identities.of(registry.load().find("consent.granted"))
    said = {"userId": str(ann), "data": {"payload": {"userId": str(ann), "purpose": "p"}}}
    assert granted.restored(said, users)["data"]["payload"]["userId"] == str(bob)


@pytest.mark.parametrize(
    "subject", ["order:{0}", "merchant:user:{0}", "user:{0}, order:7", "xuser:{0}", "{0}", "user:1{0}", None]
)
def test_what_an_alert_quotes_of_clients_is_nobody(bundle: Path, subject: str | None) -> None:
    raised = identities.of(registry.load().find("alert.raised"))
    ann = LEAST + 1
    about = {} if subject is None else {"subject": subject.format(ann)}
    sent = {"data": {"payload": {**about, "message": f"parcel {ann}", "title": f"user:{ann}"}}}
    assert raised.numbers(sent) == set()
    assert raised.restored(sent, {ann: "ann"}) is sent


def test_a_decision_names_its_user(bundle: Path) -> None:
    decision = identities.of(registry.load().find("fraud.decision.made"))
    stored = {"data": {"payload": {"userId": str(LEAST), "counted": "q83v"}}}
    assert decision.numbers(stored) == {LEAST}
    assert decision.restored(stored, {LEAST: "42"})["data"]["payload"]["userId"] == "42"


def test_whom_an_event_mentions_is_told_from_whom_it_is_about() -> None:
    only = Identities(
        [("data", "payload", "who")],
        [
            (("data", "payload", "target"), lambda event: event["data"]["payload"].get("kind") == "user"),
            (("data", "payload", "by"), None),
        ],
    )
    about = event(who=42, target="usr_7", kind="user", by="42")
    assert only.users(about) == ("42", "usr_7")
    assert only.mentioned(about) == {"usr_7"}, "who is both is not only mentioned"
    other = event(who=42, target="usr_7", kind="asset")
    assert (only.users(other), only.mentioned(other)) == (("42",), frozenset())
    made = only.rewritten(about, lambda user: str(NUMBERS[user]))
    assert made["data"]["payload"] == {
        "who": LEAST + 1,
        "target": str(LEAST + 2),
        "kind": "user",
        "by": str(LEAST + 1),
    }
    assert only.numbers(made) == {*NUMBERS.values()}
    assert only.restored(made, {number: user for user, number in NUMBERS.items()}) == about


@pytest.mark.parametrize(
    ("metadata", "mentioned"),
    [
        ({"anonymousId": "anon"}, {"anon"}),
        ({"tracker": {"duid": "d", "nuid": "n", "other": "o"}}, {"d", "n"}),
        ({"anonymousId": None, "tracker": "anon"}, set()),
        ("anonymousId", set()),
        (None, set()),
        ({}, set()),
    ],
)
def test_visitors_of_other_producers_are_people_in_events_of_any_type(
    bundle: Path, metadata: Any, mentioned: set[str]
) -> None:
    places = identities.of(registry.load().find("order.created"))
    sent = {"data": {"payload": {"userId": "42"}, "metadata": metadata}}
    assert places.mentioned(sent) == mentioned
    assert {*places.users(sent)} == {"42", *mentioned}
    assert identities.of(registry.load().find("fraud.decision.made")).mentioned(sent) == set()


def test_a_contract_that_has_the_field_of_a_visitor_says_itself_what_it_is() -> None:
    named = {"name": "metadata", "logicalType": "object"}
    made = document(field("note"), notUsers=["/data/metadata/anonymousId"])
    made["schema"][0]["properties"].append({**named, "properties": [field("anonymousId")]})
    sent = {"data": {"payload": {}, "metadata": {"anonymousId": "anon"}}}
    assert identities.of(compile_document(made, "thing.yaml")).users(sent) == ()


def test_a_condition_reads_rows_of_older_minors(bundle: Path) -> None:
    report = identities.of(registry.load().find("report.flagged"))
    for payload in ({}, {"targetType": None}, {"targetType": ["user"]}, {"targetType": "asset"}):
        assert report.users({"data": {"payload": {"targetId": "42", **payload}}}) == ()
    assert report.users({"data": {"payload": {"targetId": ["42"], "targetType": "user"}}}) == ()
    assert report.users({"data": {"payload": {"targetId": "42", "targetType": "user"}}}) == ("42",)
