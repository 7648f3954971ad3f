"""Users whom an event only mentions, and visitors who have not signed in: numbers behind intake, ids in answers, and no way back after an erasure."""

import copy
import json
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from millrace.contracts import registry
from millrace.contracts.stored_form import subject_pointers
from millrace.core import clock, keys
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from millrace.privacy import assemble, identities
from millrace.privacy.identities import LEAST, Identities, is_number
from tests.support import events
from tests.support.erasing import Requests
from tests.support.platform import ACME, GLOBEX, Platform, ids
from tests.support.protecting import protecting, raw_rows
from tests.support.user_ids import number_of

ONE, LIST = "/v1/events/{eventId}", "/v1/events"
# Found in any store, it is somebody's.
ANN, BOB, VISITOR, EDITOR = "ann_marked", "bob_marked", "anon_marked", "editor_marked"
MARK = "_marked"
TABLES = ("Events", "UserEvents", "Analytics", "Metadata", "FeatureStore", "SubjectKeys")


@pytest.fixture(autouse=True)
def _empty(warm: Platform) -> None:
    warm.empty()
    warm.restart_all()


def made(event_type: str, payload: dict[str, Any], metadata: Any = None, **more: Any) -> dict[str, Any]:
    data = {"payload": payload, **({} if metadata is None else {"metadata": metadata})}
    return {
        "eventId": events.new_id(),
        "eventType": event_type,
        "timestamp": events.moment(),
        "data": data,
        **more,
    }


def report(target: str, kind: str = "user", reporter: str = ANN, **more: Any) -> dict[str, Any]:
    said = {"reportId": f"rep_{events.new_id()[:8]}", "reporterId": reporter, "reason": "spam"}
    return made("report.flagged", {**said, "targetType": kind, "targetId": target}, **more)


def alias(user: str = ANN, previous: str = VISITOR, **more: Any) -> dict[str, Any]:
    return made("user.aliased", {"userId": user, "previousId": previous}, **more)


def page(anonymous: Any = VISITOR, **payload: Any) -> dict[str, Any]:
    return made("page.viewed", {"anonymousId": anonymous, "name": "Home", **payload}, sessionId="ses_1")


def product(by: str = EDITOR) -> dict[str, Any]:
    return made(
        "product.updated",
        {
            "productId": "sku_beans",
            "name": "Beans",
            "category": "coffee",
            "price": 19.99,
            "currency": "EUR",
            "status": "active",
        },
        {"changedBy": by},
    )


def stored(running: Platform) -> dict[str, dict[str, Any]]:
    codec = Codec(registry.load().dictionary)
    found = [from_item(row, codec) for row in running.rows("Events")]
    return {event.event_id: event.envelope for event in found}


def payload(running: Platform, event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = stored(running)[event["eventId"]]["data"]["payload"]
    return found


def places_with(running: Platform, mark: str) -> list[str]:
    """Where a text stands in clear."""
    said = {name: repr(running.rows(name)) for name in TABLES}
    said |= {"bodies": json.dumps(stored(running)), "bus": repr(running.messages())}
    said |= {"raw": repr(raw_rows(running.objects("raw/").values()))}
    said |= {key: repr(body) for key, body in running.objects("").items()}
    return [name for name, text in said.items() if mark in text]


def everybody() -> list[dict[str, Any]]:
    """An event of each kind that mentions somebody."""
    tracked = events.order(user=ANN)
    tracked["data"]["metadata"] = {"anonymousId": VISITOR, "tracker": {"duid": VISITOR, "nuid": "net_marked"}}
    return [report(BOB), report("ast_1", "asset"), alias(), page(), page(userId=ANN), product(), tracked]


@pytest.mark.parametrize("org", [ACME, GLOBEX])
def test_no_store_has_the_id_of_anybody_and_answers_have_it(warm: Platform, org: str) -> None:
    some = everybody()
    answer = warm.post(some, org=org)["body"]
    assert [one for one in answer["results"] if one["status"] != "accepted"] == []
    warm.settle()
    assert places_with(warm, MARK) == []
    for one in some:
        assert warm.get(ONE, org=org, eventId=one["eventId"])["body"]["data"] == one["data"]
    warm.restart_all()
    again = warm.post(copy.deepcopy(some), org=org)["body"]
    assert again["duplicates"] == len(some)


def test_one_number_joins_what_names_one_visitor(warm: Platform) -> None:
    linked, seen, tracked, theirs = alias(), page(), everybody()[-1], page()
    warm.post([linked, seen, tracked])
    warm.restart_all()
    warm.post([theirs], org=GLOBEX)
    visitor = payload(warm, seen)["anonymousId"]
    assert is_number(visitor)
    assert payload(warm, linked)["previousId"] == visitor != payload(warm, linked)["userId"]
    metadata = stored(warm)[tracked["eventId"]]["data"]["metadata"]
    assert (metadata["anonymousId"], metadata["tracker"]["duid"]) == (visitor, visitor)
    assert payload(warm, theirs)["anonymousId"] not in (visitor, VISITOR)
    assert "userId" not in stored(warm)[seen["eventId"]], "a visitor is no user"


def test_only_where_the_condition_holds_stands_a_user(warm: Platform) -> None:
    about_user, about_asset = report("42"), report("42", "asset")
    warm.post([about_user, about_asset, events.order(user="42")])
    number = number_of(warm, "42")
    assert payload(warm, about_user)["targetId"] == number
    assert payload(warm, about_asset)["targetId"] == "42"
    found = warm.get(LIST, query={"entity": "target:42"})["body"]["items"]
    assert {*ids(found)} == {about_user["eventId"], about_asset["eventId"]}
    assert {one["data"]["payload"]["targetId"] for one in found} == {"42"}


@pytest.mark.parametrize("value", ["x" * 128, "ü" * 60, "42", str(LEAST + 17)])
def test_whatever_an_id_looks_like(warm: Platform, value: str) -> None:
    seen = page(anonymous=value)
    assert warm.post([seen])["body"]["accepted"] == 1
    assert is_number(payload(warm, seen)["anonymousId"])
    assert payload(warm, seen)["anonymousId"] != value
    assert warm.get(ONE, eventId=seen["eventId"])["body"]["data"] == seen["data"]


def test_where_nobody_stands_nobody_is_made(warm: Platform) -> None:
    absent, null = page(), page(anonymous=None)
    del absent["data"]["payload"]["anonymousId"]
    odd = events.health_check()
    odd["data"]["metadata"] = {"anonymousId": None, "tracker": "none"}
    for one in (absent, null):
        del one["sessionId"]
    assert warm.post([absent, null, odd])["body"]["accepted"] == 3
    assert warm.rows("SubjectKeys") == []


def test_who_is_known_costs_no_call(warm: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    warm.post([page(userId=ANN), alias(), report(BOB)])
    calls: list[str] = []
    for name in ("batch_get_item", "transact_write_items", "get_item"):
        call = getattr(warm.dynamodb, name)

        def counted(*given: Any, _call: Any = call, _name: str = name, **more: Any) -> Any:
            calls.append(_name)
            return _call(*given, **more)

        monkeypatch.setattr(warm.dynamodb, name, counted)
    answer = warm.post([page(userId=ANN) for _ in range(50)] + [report(BOB), alias()])["body"]
    assert answer["accepted"] == 52
    assert calls == []


def test_who_is_only_mentioned_is_nobody_after_an_erasure(warm: Platform) -> None:
    first, of_bob = report(BOB), events.order(user=BOB)
    warm.post([first, of_bob])
    warm.settle()
    before = payload(warm, first)["targetId"]
    Requests(warm).erased(BOB)
    warm.restart_all()
    late = report(BOB, timestamp=events.moment(timedelta(minutes=30)))
    ahead = (clock.now() + timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    coming = report(BOB, timestamp=ahead)
    answer = warm.post([first, late, coming, events.order(user=BOB, timestamp=of_bob["timestamp"])])["body"]
    assert [one["status"] for one in answer["results"]] == ["duplicate", "accepted", "accepted", "rejected"]
    numbers = {payload(warm, one)["targetId"] for one in (first, late, coming)}
    assert len(numbers) == 3, "no two events are joined by somebody who was erased"
    assert all(map(is_number, numbers))
    assert payload(warm, first)["targetId"] == before
    warm.restart_all()
    for one in (first, late, coming):
        said = warm.get(ONE, eventId=one["eventId"])["body"]["data"]["payload"]
        assert said["targetId"] in numbers
        assert said["reporterId"] == ANN
    people = assemble.subjects(
        Table(warm.dynamodb, "SubjectKeys"), Table(warm.dynamodb, "Metadata"), warm.kms_key
    )
    assert {one.state for one in people.known(ACME, [f"user:{BOB}"]).values()} == {"erased"}
    assert places_with(warm, BOB) == []


def test_who_comes_back_is_mentioned_by_the_new_number(warm: Platform) -> None:
    warm.post([events.order(user=BOB)])
    warm.settle()
    old = number_of(warm, BOB)
    Requests(warm).erased(BOB)
    warm.restart_all()
    with patch.object(clock, "now", lambda: clock.parse(events.moment()) + timedelta(minutes=1)):
        later = clock.utc_text(clock.now())
        back, told, earlier = (
            events.order(user=BOB, timestamp=later),
            report(BOB, timestamp=later),
            report(BOB, timestamp=events.moment(timedelta(minutes=30))),
        )
        assert warm.post([earlier, told, back])["body"]["accepted"] == 3
    new = payload(warm, back)["userId"]
    assert payload(warm, told)["targetId"] == new != old
    assert payload(warm, earlier)["targetId"] not in (new, old)


def test_the_erasure_of_one_leaves_the_other_and_each_is_asked_for_by_its_id(warm: Platform) -> None:
    linked, seen, mine = alias(), page(), page(userId=ANN)
    warm.post([linked, seen, mine])
    warm.settle()
    Requests(warm).erased(ANN)
    warm.restart_all()
    said = warm.get(ONE, eventId=linked["eventId"])["body"]["data"]["payload"]
    assert is_number(said["userId"])
    assert said["previousId"] == VISITOR
    Requests(warm).erased(VISITOR)
    warm.restart_all()
    for one in (linked, seen, mine):
        assert MARK not in json.dumps(warm.get(ONE, eventId=one["eventId"])["body"])
    assert places_with(warm, MARK) == []


def test_what_is_refused_and_mentions_somebody_goes_with_the_erasure(warm: Platform) -> None:
    broken = report(BOB)
    broken["data"]["payload"]["reason"] = "none of these"
    kept = report("ast_1", "asset")
    kept["data"]["payload"]["reason"] = "none of these"
    warm.post([events.order(user=BOB), broken, kept])
    warm.settle()
    assert len(warm.get("/v1/quarantine", query={})["body"]["items"]) == 2
    Requests(warm).erased(BOB)
    (left,) = warm.get("/v1/quarantine", query={})["body"]["items"]
    assert left["eventId"] == kept["eventId"]


def before(running: Platform, sent: list[dict[str, Any]], org: str = ACME) -> None:
    """Accepted by the release before, which knew of no other users than those whom an event is about."""

    def of(contract: Any) -> Identities:
        return Identities([("data", "payload", one.rpartition("/")[2]) for one in subject_pointers(contract)])

    running.restart_all()
    with patch.object(identities, "of", of):
        assert running.post(sent, org=org)["body"]["accepted"] == len(sent)
        running.settle()
    running.restart_all()


def test_rows_of_yesterday_are_read_and_sent_again_and_rewritten(warm: Platform) -> None:
    old, theirs = everybody(), [report(BOB, reporter=BOB), page()]
    before(warm, old)
    before(warm, theirs, GLOBEX)
    assert "bodies" in places_with(warm, MARK)
    assert is_number(payload(warm, old[0])["reporterId"])
    assert payload(warm, old[0])["targetId"] == BOB
    for one in old:
        assert warm.get(ONE, eventId=one["eventId"])["body"]["data"] == one["data"]
    listed = warm.get(LIST, query={"entity": f"target:{BOB}"})["body"]["items"]
    assert ids(listed) == [old[0]["eventId"]]
    assert warm.post(copy.deepcopy(old))["body"]["duplicates"] == len(old)
    done = protecting(warm).run()
    assert done["events"].rewritten == done["raw"].rewritten == len(old) - 1 + len(theirs)
    assert places_with(warm, MARK) == []
    warm.restart_all()
    for one in old:
        assert warm.get(ONE, eventId=one["eventId"])["body"]["data"] == one["data"]
    (row,) = [one for one in warm.rows("Events") if one["eventId"]["S"].endswith(old[0]["eventId"])]
    assert row["entityKey"]["S"] == keys.by_entity(ACME, "target", number_of(warm, BOB))
    assert ids(warm.get(LIST, query={"entity": f"target:{BOB}"})["body"]["items"]) == [old[0]["eventId"]]
    assert warm.post(copy.deepcopy(old))["body"]["duplicates"] == len(old)
    assert payload(warm, theirs[0])["targetId"] != number_of(warm, BOB)
    raw = {one["event_id"]: json.loads(one["payload"]) for one in raw_rows(warm.objects("raw/").values())}
    assert {name: one["data"]["payload"] for name, one in stored(warm).items() if name in raw} == raw
    assert protecting(warm).run()["events"].rewritten == 0


def test_who_was_erased_meanwhile_is_nobody_in_rows_of_yesterday(warm: Platform) -> None:
    old = [report(BOB), alias(user=BOB, previous=BOB)]
    before(warm, old)
    warm.post([events.order(user=BOB)])
    warm.settle()
    done = Requests(warm).erased(BOB)
    assert done["state"] == "done"
    assert done["certificate"]["verified"]["before"]["looked"] == 1, "the alias, which is Bob's own"
    assert any("millrace protect" in one["why"] for one in done["certificate"]["remains"])
    warm.restart_all()
    protecting(warm).run()
    # What subscribers were handed is theirs.
    assert places_with(warm, BOB) == ["bus"]
    assert is_number(payload(warm, old[0])["targetId"])
    assert {one["state"]["S"] for one in warm.rows("SubjectKeys") if "erasedAt" in one} == {"erased"}
