"""Protected values: never in a row, back for who may see them, and written down before."""

import base64
import json
import re
from typing import Any

import orjson
import pytest

from millrace.access.credentials import ALL_SCOPES
from millrace.contracts import registry
from millrace.eventstore.codec import Codec
from millrace.eventstore.fingerprint import fingerprint
from millrace.eventstore.row import from_item, to_item
from millrace.privacy.tokens import is_token
from tests.support import events
from tests.support.platform import ACME, GLOBEX, LAKE, Platform

ONE = "/v1/events/{eventId}"
WITHOUT = " ".join(scope for scope in ALL_SCOPES if scope != "personal:read")


@pytest.fixture(autouse=True)
def _empty(warm: Platform) -> None:
    """Empty stores, and copies of the functions that remember nobody."""
    warm.empty()
    warm.restart_all()


def address(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["data"]["metadata"]["shippingAddress"]
    return found


def bodies(running: Platform) -> bytes:
    codec = Codec(registry.load().dictionary)
    return b"".join(
        orjson.dumps(from_item(row, codec).envelope) + repr(row).encode() for row in running.rows("Events")
    )


def audited(running: Platform, org: str = ACME, action: str = "personal.read") -> list[dict[str, Any]]:
    lines = [row for row in running.rows("Metadata") if row["entityTypeKey"]["S"] == f"{org}#audit#chain"]
    lines.sort(key=lambda row: str(row["entityId"]["S"]))
    return [json.loads(row["detail"]["S"]) for row in lines if row["action"]["S"] == action]


def test_who_may_see_values_does_and_nobody_else(warm: Platform) -> None:
    event = events.shipped_order()
    assert warm.post([event])["body"]["accepted"] == 1
    stored = bodies(warm)
    assert not any(value.encode() in stored for value in events.ADDRESS.values() if value != "DE")
    seen = warm.get(ONE, eventId=event["eventId"])["body"]
    assert seen["data"] == event["data"]
    assert "sealed" not in seen["platform"]
    masked = warm.get(ONE, eventId=event["eventId"], scopes=WITHOUT)["body"]
    assert address(masked)["recipient"] == address(masked)["street"] == "sealed"
    assert is_token(address(masked)["city"])
    assert address(masked)["country"] == "DE"
    assert "sealed" not in masked["platform"]
    assert warm.get(ONE, eventId=event["eventId"], org=GLOBEX)["status"] == 404


def test_lists_and_stories_show_the_same_and_are_written_down_once(warm: Platform) -> None:
    some = [events.shipped_order(correlationId="flow") for _ in range(3)]
    warm.post([*some, events.order(correlationId="flow")])
    for query in ({"correlationId": "flow"}, {"correlationId": "flow", "story": "true"}):
        before = len(audited(warm))
        page = warm.get("/v1/events", query=query)["body"]["items"]
        shown = {item["eventId"]: item["data"] for item in page}
        assert all(shown[one["eventId"]] == one["data"] for one in some)
        (line,) = audited(warm)[before:]
        assert line["events"] == 3
        assert set(line["eventIds"]) == {one["eventId"] for one in some}
        page = warm.get("/v1/events", query=query, scopes=WITHOUT)["body"]["items"]
        assert (
            sum(
                address(item)["street"] == "sealed"
                for item in page
                if "shippingAddress" in item["data"]["metadata"]
            )
            == 3
        )
        assert b"Marked" not in orjson.dumps(page)
        assert b'"sealed":{' not in orjson.dumps(page)
        assert len(audited(warm)) == before + 1


def test_where_nothing_is_protected_nothing_is_written_down(warm: Platform) -> None:
    plain, nobody = events.order(), events.health_check()
    warm.post([nobody])
    assert warm.rows("SubjectKeys") == [], "an event that names nobody and protects nothing makes no person"
    warm.post([plain])
    for one in (plain, nobody):
        assert warm.get(ONE, eventId=one["eventId"])["body"]["data"] == one["data"]
    assert audited(warm) == []


def test_a_retry_is_a_duplicate_and_another_value_a_conflict_in_any_copy(warm: Platform) -> None:
    event = events.shipped_order()
    assert warm.post([event])["body"]["accepted"] == 1
    warm.restart_all()
    assert warm.post([event])["body"]["duplicates"] == 1
    other = json.loads(json.dumps(event))
    address(other)["street"] = "Another Street"
    assert warm.post([other])["body"]["conflicts"] == 1
    assert [result["status"] for result in warm.post([other, event, event])["body"]["results"]] == [
        "conflict",
        "duplicate",
        "duplicate",
    ]
    twice = events.shipped_order()
    changed = json.loads(json.dumps(twice))
    address(changed)["city"] = "Elsewhere"
    assert [result["status"] for result in warm.post([twice, twice, changed])["body"]["results"]] == [
        "accepted",
        "duplicate",
        "conflict",
    ]


def test_a_row_from_before_is_the_same_event_and_masked_for_who_may_not_see(warm: Platform) -> None:
    event = events.shipped_order()
    warm.post([event])
    (row,) = warm.rows("Events")
    contracts = registry.load()
    codec = Codec(contracts.dictionary)
    envelope = from_item(row, codec).envelope
    del envelope["platform"]["sealed"]
    envelope["data"] = event["data"]
    (key,) = [one for one in warm.rows("Metadata") if one["entityTypeKey"]["S"] == f"{ACME}#fingerprint-key"]
    tenant_key = warm.kms.decrypt(
        CiphertextBlob=bytes(key["wrapped"]["B"]),
        EncryptionContext={"org": ACME, "use": "fingerprint-key"},
    )["Plaintext"]
    content = event, orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
    contract = contracts.find("order.created")
    old = to_item(envelope, contract, bytes(fingerprint(content, event, tenant_key)), codec)
    warm.dynamodb.put_item(TableName="Events", Item=old)
    assert warm.post([event])["body"]["duplicates"] == 1
    other = json.loads(json.dumps(event))
    address(other)["street"] = "Another Street"
    assert warm.post([other])["body"]["conflicts"] == 1
    assert warm.get(ONE, eventId=event["eventId"])["body"]["data"] == event["data"]
    masked = warm.get(ONE, eventId=event["eventId"], scopes=WITHOUT)["body"]
    assert b"Marked" not in orjson.dumps(masked)
    assert audited(warm)[-1]["eventIds"] == [event["eventId"]]


def test_without_the_key_of_the_person_tokens_stand_there(warm: Platform) -> None:
    event = events.shipped_order()
    warm.post([event])
    for row in warm.rows("SubjectKeys"):
        warm.dynamodb.delete_item(TableName="SubjectKeys", Key={"subjectKey": row["subjectKey"]})
    warm.restart_all()
    seen = warm.get(ONE, eventId=event["eventId"])["body"]
    assert address(seen)["street"] == "sealed"
    assert is_token(address(seen)["city"])
    assert audited(warm) == [], "nobody saw a value"


def test_tokens_join_within_a_tenant_and_not_across(warm: Platform) -> None:
    tokens: dict[str, set[str]] = {}
    for org in (ACME, GLOBEX):
        for user in ("usr_1", "usr_2"):
            event = events.shipped_order(payload={"userId": user})
            assert warm.post([event], org=org)["body"]["accepted"] == 1
            seen = warm.get(ONE, eventId=event["eventId"], org=org, scopes=WITHOUT)["body"]
            tokens.setdefault(org, set()).add(address(seen)["city"])
    assert len(tokens[ACME]) == len(tokens[GLOBEX]) == 1
    assert tokens[ACME] != tokens[GLOBEX]


REFUSED = "/v1/quarantine/{id}"
FIX = [{"op": "replace", "path": "/data/payload/totalAmount", "value": 45.48}]


def refused(running: Platform) -> tuple[dict[str, Any], str]:
    event = events.shipped_order(payload={"totalAmount": -1})
    (result,) = running.post([event])["body"]["results"]
    return event, result["quarantineId"]


def test_what_was_refused_lies_encrypted_and_is_read_by_who_may(warm: Platform) -> None:
    event, identifier = refused(warm)
    (stored,) = warm.objects("quarantine/").values()
    assert b"Marked" not in stored
    assert b"Marked" not in b"".join(
        base64.b64decode(text) for text in json.loads(stored)["entries"][0]["sealed"].values()
    )
    seen = warm.get(REFUSED, id=identifier)["body"]
    assert json.loads(seen["raw"]) == event
    assert [line["quarantineId"] for line in audited(warm)] == [identifier]
    hidden = warm.get(REFUSED, id=identifier, scopes=WITHOUT)["body"]
    assert (hidden["raw"], hidden["rawEncoding"], hidden["status"]) == (None, None, "open")
    assert len(audited(warm)) == 1
    assert warm.get(REFUSED, id=identifier, org=GLOBEX)["status"] == 404


def test_what_is_of_a_contract_that_protects_nothing_is_read_without_the_right(warm: Platform) -> None:
    check = events.health_check()
    del check["data"]["payload"]["status"]
    (result,) = warm.post([check])["body"]["results"]
    seen = warm.get(REFUSED, id=result["quarantineId"], scopes=WITHOUT)["body"]
    assert json.loads(seen["raw"]) == check
    assert audited(warm) == []


def test_a_replay_reads_what_is_encrypted_and_what_was_not_yet(warm: Platform) -> None:
    first, _ = refused(warm)
    second, _ = refused(warm)
    warm.restart_all()
    path, text = next(iter(warm.objects("quarantine/").items()))
    document = json.loads(text)
    (entry,) = document["entries"]
    by_id = {one["eventId"]: one for one in (first, second)}
    del entry["sealed"]
    entry |= {"raw": base64.b64encode(json.dumps(by_id[entry["eventId"]]).encode()).decode(), "sent": None}
    warm.s3.put_object(Bucket=LAKE, Key=path, Body=json.dumps(document).encode())
    done = warm.call("/v1/quarantine/replay", {"filter": {"eventType": "order.created"}, "patch": FIX})
    assert done["body"]["replayed"] == 2
    for event in (first, second):
        seen = warm.get(ONE, eventId=event["eventId"])["body"]
        assert address(seen) == events.ADDRESS


def test_a_body_that_was_moved_or_changed_is_nobody_s(warm: Platform) -> None:
    _, identifier = refused(warm)
    refused(warm)
    (path, text), (_, other) = warm.objects("quarantine/").items()
    document, another = json.loads(text), json.loads(other)
    moved = document["entries"][0]["quarantineId"]
    document["entries"][0]["sealed"] = another["entries"][0]["sealed"]
    warm.s3.put_object(Bucket=LAKE, Key=path, Body=json.dumps(document).encode())
    assert warm.get(REFUSED, id=moved)["status"] == 404
    done = warm.call("/v1/quarantine/replay", {"filter": {"eventType": "order.created"}, "patch": FIX})
    assert done["body"]["replayed"] == 1, f"the one that is whole is replayed, {identifier} or the other"


DETOKENISE = "/v1/detokenise"
WHY = {"purpose": "customer-support", "reason": "where is parcel 17?"}


def detokenise(
    running: Platform, tokens: list[dict[str, str]], org: str = ACME, **changes: Any
) -> dict[str, Any]:
    scopes = changes.pop("scopes", " ".join(ALL_SCOPES))
    body = {"tokens": tokens, **WHY, **changes}
    return running.call(DETOKENISE, body, function="read_api", org=org, scopes=scopes)


def tokens_of(running: Platform, event: dict[str, Any], org: str = ACME) -> list[dict[str, str]]:
    seen = running.get(ONE, eventId=event["eventId"], org=org, scopes=WITHOUT)["body"]
    return [{"token": address(seen)[name], "eventId": event["eventId"]} for name in ("city", "postalCode")]


def test_a_token_is_turned_back_with_its_event_for_a_purpose(warm: Platform) -> None:
    event, plain = events.shipped_order(), events.order()
    warm.post([event, plain])
    city, code = tokens_of(warm, event)
    unknown = {"token": "tk_" + "A" * 22, "eventId": event["eventId"]}
    elsewhere = {**city, "eventId": plain["eventId"]}
    missing = {**city, "eventId": events.new_id()}
    answer = detokenise(warm, [code, city, unknown, elsewhere, missing])
    assert answer["status"] == 200
    assert [one["value"] for one in answer["body"]["values"]] == ["MARK-1", "Markedville", None, None, None]
    (line,) = audited(warm, action="personal.detokenise")
    assert (line["purpose"], line["reason"], line["found"]) == (*WHY.values(), 2)
    assert "Marked" not in repr(line)


def test_another_tenant_and_who_has_no_right_learn_nothing(warm: Platform) -> None:
    event = events.shipped_order()
    warm.post([event])
    tokens = tokens_of(warm, event)
    foreign = detokenise(warm, tokens, org=GLOBEX)
    assert [one["value"] for one in foreign["body"]["values"]] == [None, None]
    refused_ = detokenise(
        warm, tokens, scopes=" ".join(one for one in ALL_SCOPES if one != "personal:detokenise")
    )
    assert refused_["status"] == 403
    wrong: tuple[dict[str, Any], ...] = (
        {"purpose": "curiosity"},
        {"reason": ""},
        {"tokens": []},
        {"tokens": [{"token": "tk_"}]},
    )
    for changes in wrong:
        assert detokenise(warm, **{"tokens": tokens, **changes})["status"] == 400


def test_of_an_erased_person_no_token_is_turned_back(warm: Platform) -> None:
    event = events.shipped_order()
    warm.post([event])
    tokens = tokens_of(warm, event)
    for row in warm.rows("SubjectKeys"):
        warm.dynamodb.delete_item(TableName="SubjectKeys", Key={"subjectKey": row["subjectKey"]})
    warm.restart_all()
    assert [one["value"] for one in detokenise(warm, tokens)["body"]["values"]] == [None, None]


def test_more_tokens_than_the_rate_are_asked_to_come_back(warm: Platform) -> None:
    event = events.order()
    warm.post([event])
    some = [{"token": f"tk_{number:022d}", "eventId": event["eventId"]} for number in range(100)]
    assert [detokenise(warm, some)["status"] for _ in range(3)] == [200] * 3
    refused_ = detokenise(warm, some)
    assert (refused_["status"], refused_["body"]["violated-policies"]) == (
        429,
        ["key-tokens", "tenant-tokens"],
    )
    # Of calls plenty are left, and it is not they that the answer tells of.
    assert refused_["headers"]["ratelimit-policy"] == '"tenant-tokens";q=300;w=60, "key-tokens";q=300;w=60'
    left = re.findall(r"r=(\d+);", refused_["headers"]["ratelimit"])
    assert len(left) == 2
    assert all(int(one) < 100 for one in left)
    assert detokenise(warm, some, org=GLOBEX)["status"] == 200, "one tenant's flood is its own"


AUDIT = "/v1/audit"


def about(running: Platform, subject: str, org: str = ACME, **query: str) -> list[dict[str, Any]]:
    answer = running.get(AUDIT, query={"subject": subject, **query}, org=org)
    assert answer["status"] == 200
    items: list[dict[str, Any]] = answer["body"]["items"]
    return items


def test_who_saw_a_person_is_asked_by_the_id_and_answered_by_the_number(warm: Platform) -> None:
    mine = events.shipped_order(user="usr_mine", userId="usr_mine", correlationId="both")
    other = events.shipped_order(user="usr_other", userId="usr_other", correlationId="both")
    warm.post([mine, other])
    warm.get(ONE, eventId=mine["eventId"])
    warm.get(ONE, eventId=other["eventId"])
    warm.get("/v1/events", query={"correlationId": "both"})
    detokenise(warm, [*tokens_of(warm, mine), {**tokens_of(warm, other)[0], "token": "tk_" + "A" * 22}])
    warm.get("/v1/subjects/{id}", id="usr_other")
    found = about(warm, "usr_mine")
    assert [one["action"] for one in found] == [
        "audit.read",
        "personal.detokenise",
        "personal.read",
        "personal.read",
    ]
    number = found[0]["detail"]["subject"]
    assert found[1]["detail"]["subjects"] == [number], "of the other nothing was told"
    assert number in found[2]["detail"]["subjects"]
    assert len(found[2]["detail"]["subjects"]) == 2
    assert found[3]["detail"]["subjects"] == [number]
    assert "usr_mine" not in str(warm.rows("Metadata")), "no line has the id"
    # An erased person is known by the number alone.
    assert [one["action"] for one in about(warm, number)[1:]] == [one["action"] for one in found]
    assert [one["action"] for one in about(warm, "usr_other")][1:] == [
        "subjects.read",
        "personal.read",
        "personal.read",
    ]
    assert [one["number"] for one in about(warm, "usr_mine", action="personal.detokenise")] == [
        found[1]["number"]
    ]


def test_the_question_who_saw_somebody_is_of_one_tenant_and_of_auditors(warm: Platform) -> None:
    event = events.shipped_order(user="usr_same", userId="usr_same")
    warm.post([event])
    warm.post([events.shipped_order(user="usr_same", userId="usr_same")], org=GLOBEX)
    warm.get(ONE, eventId=event["eventId"])
    (read, seen) = about(warm, "usr_same")
    assert (read["action"], seen["action"]) == ("audit.read", "personal.read")
    assert [one["action"] for one in about(warm, "usr_same", org=GLOBEX)] == ["audit.read"]
    elsewhere = about(warm, seen["detail"]["subjects"][0], org=GLOBEX)
    assert [one["action"] for one in elsewhere] == ["audit.read"], "the number is of another tenant"
    refused = warm.get(AUDIT, query={"subject": "usr_same"}, scopes=" ".join({*ALL_SCOPES} - {"audit:read"}))
    assert refused["status"] == 403
    assert warm.get(AUDIT, query={"subject": ""})["status"] == 400


def test_the_audit_has_no_id_of_somebody_who_is_not_known(warm: Platform) -> None:
    assert about(warm, "ann@example.com") == []
    (line,) = audited(warm, action="audit.read")
    assert line == {"subject": None}
    assert "ann@example.com" not in str(warm.rows("Metadata"))
