"""Users' ids stay at the door: behind it are numbers, and the API speaks of ids."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError

from millrace.api.events import EventsApi
from millrace.api.user_ids import UserIds
from millrace.contracts import registry
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.reader import EventReader
from millrace.eventstore.row import from_item
from millrace.privacy import assemble
from millrace.privacy.identities import is_number
from tests.support import events
from tests.support.platform import ACME, GLOBEX, Platform, ids
from tests.support.user_ids import number_of

ONE, LIST = "/v1/events/{eventId}", "/v1/events"
# Found in any store, it is somebody's.
MARKED = "usr_marked"
TABLES = ("Events", "UserEvents", "Analytics", "Metadata", "FeatureStore", "SubjectKeys")


@pytest.fixture(autouse=True)
def _empty(warm: Platform) -> None:
    warm.empty()
    warm.restart_all()


def stored(running: Platform) -> dict[str, dict[str, Any]]:
    """Envelopes as they are stored, by id."""
    codec = Codec(registry.load().dictionary)
    found = [from_item(row, codec) for row in running.rows("Events")]
    return {event.event_id: event.envelope for event in found}


def test_no_store_has_the_id_of_a_user(warm: Platform) -> None:
    some = [
        events.order(user=MARKED),
        events.shipped_order(user=MARKED),
        events.order(user=MARKED, userId=MARKED),
    ]
    assert warm.post(some)["body"]["accepted"] == 3
    warm.settle()
    tables = repr([warm.rows(name) for name in TABLES]) + repr(stored(warm))
    objects = {
        key: body for key, body in warm.objects("").items() if MARKED.encode() in body or MARKED in key
    }
    assert MARKED not in tables
    assert objects == {}
    assert MARKED not in repr(warm.messages())


def test_one_person_is_one_number_in_a_tenant_and_another_in_the_next(warm: Platform) -> None:
    text, number, other = events.order(user="42"), events.transaction(user=42), events.order(user="43")
    theirs = events.order(user="42")
    warm.post([text, number, other])
    warm.restart_all()
    warm.post([theirs], org=GLOBEX)
    found = stored(warm)
    mine = found[text["eventId"]]["userId"]
    assert is_number(mine)
    assert found[text["eventId"]]["data"]["payload"]["userId"] == mine
    assert found[number["eventId"]]["userId"] == mine
    assert found[number["eventId"]]["data"]["payload"]["user_id"] == int(mine)
    assert len({mine, found[other["eventId"]]["userId"], found[theirs["eventId"]]["userId"]}) == 3


@pytest.mark.parametrize("scopes", ["events:read", "events:read personal:read"])
def test_answers_speak_of_ids(warm: Platform, scopes: str) -> None:
    order, paid = (
        events.order(user="42", correlationId="flow"),
        events.transaction(user=42, correlationId="flow"),
    )
    warm.post([order, paid])
    seen = warm.get(ONE, eventId=paid["eventId"], scopes=scopes)["body"]
    assert (seen["userId"], seen["data"]) == ("42", paid["data"])
    for query in ({"userId": "42"}, {"correlationId": "flow", "story": "true"}):
        page = warm.get(LIST, query=query, scopes=scopes)["body"]["items"]
        assert {item["eventId"]: (item["userId"], item["data"]) for item in page} == {
            one["eventId"]: ("42", one["data"]) for one in (order, paid)
        }


def test_events_are_found_by_the_id_within_the_tenant_and_by_no_number(warm: Platform) -> None:
    mine, theirs = events.order(user="42"), events.order(user="42")
    warm.post([mine])
    warm.post([theirs], org=GLOBEX)
    number = stored(warm)[mine["eventId"]]["userId"]
    assert ids(warm.get(LIST, query={"userId": "42"})["body"]["items"]) == [mine["eventId"]]
    # A client that names its users may choose the number of somebody.
    assert warm.get(LIST, query={"userId": number})["body"]["items"] == []
    assert ids(warm.get(LIST, query={"userId": "42"}, org=GLOBEX)["body"]["items"]) == [theirs["eventId"]]
    assert warm.get(LIST, query={"userId": number}, org=GLOBEX)["body"]["items"] == []
    assert warm.get(LIST, query={"userId": "nobody"})["body"]["items"] == []


def test_who_calls_a_user_by_a_number_gets_another_number(warm: Platform) -> None:
    first = events.order(user="42")
    warm.post([first])
    number = stored(warm)[first["eventId"]]["userId"]
    posing = events.order(user=number)
    assert warm.post([posing])["body"]["accepted"] == 1
    assert stored(warm)[posing["eventId"]]["userId"] not in ("42", number)
    assert warm.get(ONE, eventId=posing["eventId"])["body"]["data"]["payload"]["userId"] == number


def test_an_entity_that_is_the_person_is_asked_for_by_the_id(warm: Platform) -> None:
    number, events_table = number_of(warm, "42"), Table(warm.dynamodb, "Events")
    people = assemble.subjects(
        Table(warm.dynamodb, "SubjectKeys"), Table(warm.dynamodb, "Metadata"), warm.kms_key
    )
    buyers = replace(registry.load().find("order.created"), entity={"buyer": "/data/payload/userId"})
    codec = Codec(registry.load().dictionary)
    absent: Any = None
    api = EventsApi(
        EventReader(events_table, events_table, codec), absent, absent, [buyers], absent, UserIds(people)
    )
    asked = [api._of_entity(ACME, one).values for one in ("buyer:42", "order:42")]
    assert asked == [
        (f"{ACME}#buyer#42", f"{ACME}#buyer#{number}"),
        (f"{ACME}#order#42",),
    ]


def test_a_page_goes_on_through_rows_of_ids_and_of_numbers(warm: Platform) -> None:
    some = [events.order(user="42") for _ in range(7)]
    warm.post(some)
    # Every other row as it was before users were numbers.
    for row in warm.rows("Events")[::2]:
        row["userKey"] = {"S": f"{ACME}#42"}
        warm.dynamodb.put_item(TableName="Events", Item=row)
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = warm.get(LIST, query={"userId": "42", "limit": "2", **cursor})["body"]
        found += ids(page["items"])
        cursor = {"cursor": page["cursor"]} if page["cursor"] else {}
    assert found == ids(sorted(some, key=lambda one: (one["timestamp"], one["eventId"]), reverse=True))
    assert not cursor


def test_a_retry_is_a_duplicate_and_another_user_a_conflict(warm: Platform) -> None:
    event = events.order(user="42")
    warm.post([event])
    warm.restart_all()
    other = orjson.loads(orjson.dumps(event))
    other["data"]["payload"]["userId"] = "43"
    assert [one["status"] for one in warm.post([event, other])["body"]["results"]] == [
        "duplicate",
        "conflict",
    ]


def test_people_who_cannot_be_read_cost_only_events_that_name_them(
    warm: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "BatchGetItem")

    with monkeypatch.context() as patched:
        patched.setattr(warm.dynamodb, "batch_get_item", refused)
        some = [events.order(user="usr_new"), events.shipped_order(user="usr_new"), events.health_check()]
        answer = warm.post(some)["body"]
    assert [one["status"] for one in answer["results"]] == ["unavailable", "unavailable", "accepted"]
    answer = warm.post(some)["body"]
    assert [one["status"] for one in answer["results"]] == ["accepted", "accepted", "duplicate"]
