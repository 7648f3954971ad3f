"""A user whose id is the number of another one is a person like any, and reaches nothing of the other's."""

import json
import zipfile
from io import BytesIO
from typing import Any
from urllib.parse import unquote

import pytest

from millrace.core import clock
from millrace.core.path_ids import segment
from millrace.core.table import Table
from millrace.features.rows import row_key
from millrace.people.erasure import GROUPS
from millrace.privacy import assemble
from millrace.privacy.identities import LEAST, NOBODY
from tests.support import events
from tests.support.erasing import Requests
from tests.support.platform import ACME, LAKE, Platform, ids
from tests.support.user_ids import number_of

LIST, ONE = "/v1/events", "/v1/events/{eventId}"
ANN = "ann"


@pytest.fixture(autouse=True)
def _empty(warm: Platform) -> None:
    warm.empty()
    warm.restart_all()


@pytest.fixture(params=["the number first", "the id first"])
def pair(
    warm: Platform, request: Any, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], dict[str, Any]]:
    """An event of Ann and one of the user who is called by Ann's number, whoever comes first."""
    drawn = LEAST + 17

    def draw() -> dict[str, Any]:
        # Ann is drawn this number, be it the id of somebody who was here before.
        with monkeypatch.context() as patched:
            patched.setattr("millrace.privacy.subjects._random.getrandbits", lambda _: 17)
            sent = events.shipped_order(user=ANN)
            assert warm.post(sent)["body"]["accepted"] == 1
        return sent

    def pose() -> dict[str, Any]:
        sent = events.shipped_order(user=str(drawn))
        assert warm.post(sent)["body"]["accepted"] == 1
        return sent

    if request.param == "the number first":
        ann, posing = draw(), pose()
    else:
        posing, ann = pose(), draw()
    assert number_of(warm, ANN) == str(drawn)
    assert number_of(warm, str(drawn)) != str(drawn)
    warm.settle()
    return ann, posing


def users(pair: tuple[dict[str, Any], dict[str, Any]]) -> list[str]:
    return [one["data"]["payload"]["userId"] for one in pair]


def put_features(running: Platform, user: str) -> list[dict[str, Any]]:
    """Rows of each group under the user's number, each with a mark."""
    number = number_of(running, user)
    rows = [{**row_key(ACME, group, number), "mark": {"S": user}} for group in GROUPS]
    for row in rows:
        running.dynamodb.put_item(TableName="FeatureStore", Item=row)
    return rows


def alert_of(running: Platform, user: str) -> None:
    number = number_of(running, user)
    at = clock.utc_micros(clock.now())
    payload = {
        "alertId": f"of {user}",
        "kind": "pattern",
        "severity": "info",
        "title": f"parcel {LEAST + 17}",
        "subject": f"user:{number}",
        "ruleId": "r",
    }
    running.dynamodb.put_item(
        TableName="Analytics",
        Item={
            "metricKey": {"S": f"{ACME}#alert"},
            "tileKey": {"S": payload["alertId"]},
            "userKey": {"S": f"{ACME}#{number}"},
            "raised": {"S": f"{at}#x"},
            "raisedPayload": {"S": json.dumps(payload)},
        },
    )


def test_each_id_finds_what_is_of_its_user(warm: Platform, pair: Any) -> None:
    for sent, user in zip(pair, users(pair), strict=True):
        for query in ({"userId": user}, {"userId": user, "story": "true"}):
            items = warm.get(LIST, query=query)["body"]["items"]
            assert [one for one in ids(items) if one == sent["eventId"]] == ids(items) != []
            assert {one["userId"] for one in items} == {user}
        assert warm.get(ONE, eventId=sent["eventId"])["body"]["data"] == sent["data"]
        assert warm.get("/v1/subjects/{id}", id=segment(user))["body"] == {
            "userId": user,
            "subject": number_of(warm, user),
        }
    ann, posing = users(pair)
    by_number = warm.get("/v1/subjects/{id}", id=posing, query={"by": "number"})["body"]
    assert by_number == {"userId": ann, "subject": posing}


def test_alerts_and_windows_are_of_the_id(warm: Platform, pair: Any) -> None:
    ann, posing = users(pair)
    for user in (ann, posing):
        alert_of(warm, user)
    for user in (ann, posing):
        (item,) = warm.get("/v1/alerts", query={"userId": user})["body"]["items"]
        assert (item["alertId"], item["subject"]) == (f"of {user}", f"user:{user}")
        asked = warm.get("/v1/analytics/{metric}", metric="orders_by_user", query={"by.user": user})
        assert [(one["key"], one["orders"]) for one in asked["body"]["items"]] == [({"user": user}, 1)]
    # The title quotes what a client sent: digits that are Ann's number, in an alert of somebody else.
    (item,) = warm.get("/v1/alerts", query={"userId": posing})["body"]["items"]
    assert item["title"] == f"parcel {posing}"


def test_a_number_whose_id_nobody_has_finds_nothing(warm: Platform) -> None:
    sent = events.order(user=ANN)
    warm.post(sent)
    number = number_of(warm, ANN)
    people = assemble.subjects(
        Table(warm.dynamodb, "SubjectKeys"), Table(warm.dynamodb, "Metadata"), warm.kms_key
    )
    free = str(LEAST + 5)
    asked = people.forms(ACME, [number, ANN, free, "unknown"])
    assert asked == {
        number: (NOBODY,),
        ANN: (number, ANN),
        # Of before users were numbers, it may be an id.
        free: (free,),
        "unknown": ("unknown",),
    }
    assert people.ids(ACME, [number])[number] == NOBODY
    for query in ({"userId": number}, {"userId": number, "story": "true"}):
        assert warm.get(LIST, query=query)["body"]["items"] == []
    Requests(warm).erased(ANN)
    warm.restart_all()
    again = assemble.subjects(
        Table(warm.dynamodb, "SubjectKeys"), Table(warm.dynamodb, "Metadata"), warm.kms_key
    )
    assert again.forms(ACME, [number])[number] == (NOBODY,), "the events of who was erased stay theirs"


@pytest.mark.parametrize("who", [0, 1])
def test_an_erasure_leaves_all_of_the_other(warm: Platform, pair: Any, who: int) -> None:
    gone, other = users(pair)[who], users(pair)[1 - who]
    kept, lost = put_features(warm, other), put_features(warm, gone)
    alert_of(warm, other)
    body = Requests(warm).erased(gone)
    warm.restart_all()
    assert body["state"] == "done"
    assert body["certificate"]["verified"]["before"] == {"looked": 0}
    assert body["certificate"]["verified"]["events"]["looked"] == 1
    rows = warm.rows("FeatureStore")
    assert [one for one in kept if one not in rows] == []
    assert [one for one in lost if one in rows] == []
    sent = pair[1 - who]
    assert warm.get(ONE, eventId=sent["eventId"])["body"]["data"] == sent["data"]
    assert ids(warm.get(LIST, query={"userId": other})["body"]["items"]) == [sent["eventId"]]
    assert warm.get(LIST, query={"userId": gone})["body"]["items"] == []
    assert len(warm.get("/v1/alerts", query={"userId": other})["body"]["items"]) == 1


def test_an_export_has_the_events_of_one(warm: Platform, pair: Any) -> None:
    for user in users(pair):
        alert_of(warm, user)
    for sent, user in zip(pair, users(pair), strict=True):
        requests = Requests(warm)
        requests.ask("POST /v1/subjects/{id}/export", id=user, body={"reason": "asked"})
        assert [one.status for one in requests.carry_out()] == ["SUCCEEDED"]
        body = requests.ask("GET /v1/subjects/{id}/export", id=user)["body"]
        key = (
            unquote(body["link"].partition("?")[0]).partition(f"{LAKE}/")[2]
            or unquote(body["link"].partition("?")[0]).split("/", 3)[3]
        )
        with zipfile.ZipFile(BytesIO(warm.objects("privacy/")[key])) as archive:
            found = [json.loads(line) for line in archive.read("events.json").splitlines()]
            alerts = [json.loads(line) for line in archive.read("alerts.json").splitlines()]
        assert sent["eventId"] in ids(found)
        assert {one["userId"] for one in found} == {user}
        assert [(one["alertId"], one["subject"], one["title"]) for one in alerts] == [
            (f"of {user}", f"user:{user}", f"parcel {LEAST + 17}" if user != ANN else f"parcel {ANN}")
        ]


def test_a_restriction_a_hold_and_consents_are_of_one(warm: Platform, pair: Any) -> None:
    ann, posing = users(pair)
    requests = Requests(warm)
    requests.ask("PUT /v1/subjects/{id}/restriction", id=posing, body={"reason": "asked"})
    requests.ask("PUT /v1/subjects/{id}/hold", id=posing, body={"reason": "asked"})
    warm.restart_all()
    states = {number: state for number, state, _ in people_of(warm)}
    assert states == {number_of(warm, ann): "active", number_of(warm, posing): "restricted"}
    held = [number for number, _, is_held in people_of(warm) if is_held]
    assert held == [number_of(warm, posing)]


def people_of(running: Platform) -> list[tuple[str, str, bool]]:
    return [
        (row["subject"]["N"], row["state"]["S"], "held" in row)
        for row in running.rows("SubjectKeys")
        if "subject" in row
    ]
