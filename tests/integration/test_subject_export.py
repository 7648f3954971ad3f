"""All that is kept of a person in one zip, for whoever may see it, for a while."""

import csv
import io
import json
import zipfile
from typing import Any
from urllib.parse import unquote

import pytest

from millrace.access.credentials import ALL_SCOPES
from millrace.people import export
from tests.support import events
from tests.support.erasing import Requests
from tests.support.platform import ACME, Platform

EXPORT = "GET /v1/subjects/{id}/export"
ANEW = "POST /v1/subjects/{id}/export"


@pytest.fixture(autouse=True)
def _empty(warm: Platform) -> None:
    warm.empty()
    warm.restart_all()


def exported(running: Platform, user: str) -> tuple[dict[str, Any], zipfile.ZipFile]:
    requests = Requests(running)
    assert requests.ask(EXPORT, id=user)["body"]["link"] is None
    assert [one.status for one in requests.carry_out()] == ["SUCCEEDED"]
    body = requests.ask(EXPORT, id=user)["body"]
    ((_, stored),) = running.objects("privacy/exports/").items()
    return body, zipfile.ZipFile(io.BytesIO(stored))


def lines(archive: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in archive.read(name).splitlines()]


def test_every_event_is_in_it_with_its_values_and_nobody_elses(
    warm: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    mine = [events.shipped_order(user="u-1") for _ in range(5)]
    formula = events.shipped_order(user="u-1", correlationId="=1+1")
    warm.post([*mine, formula, events.shipped_order(user="u-2")])
    warm.settle()
    body, archive = exported(warm, "u-1")
    found = {one["eventId"]: one["data"] for one in lines(archive, "events.json")}
    assert found == {one["eventId"]: one["data"] for one in [*mine, formula]}
    rows = list(csv.DictReader(io.StringIO(archive.read("events.csv").decode())))
    assert {row["eventId"] for row in rows} == found.keys()
    assert {row["correlationId"] for row in rows} == {"checkout-17", "'=1+1"}
    assert all("Marked Street 1" in row["metadata"] for row in rows)
    assert body["events"] == 6
    # The client that signs is the one that the session's first test made, of memory or of moto.
    assert f"privacy/exports/org={ACME}/" in unquote(body["link"])
    assert lines(archive, "consents.json") == []
    (asked,) = lines(archive, "requests.json")
    assert asked["kind"] == "export"


def test_an_export_wants_both_rights_and_is_in_the_audit(warm: Platform) -> None:
    warm.post([events.shipped_order(user="u-1")])
    requests = Requests(warm)
    seeing = {"personal:read", "personal:detokenise"}
    without = " ".join(one for one in ALL_SCOPES if one not in seeing)
    assert requests.ask(EXPORT, id="u-1", scopes=without)["status"] == 403
    # Those of a Privacy Officer.
    assert requests.ask(EXPORT, id="u-9", scopes="subjects:write personal:detokenise")["status"] == 404
    assert requests.ask(EXPORT, id="u-9")["status"] == 404
    exported(warm, "u-1")
    told = [
        json.loads(row["detail"]["S"])["step"]
        for row in warm.rows("Metadata")
        if row["entityTypeKey"]["S"] == f"{ACME}#audit#chain" and row["action"]["S"] == "subjects.export"
    ]
    assert told == ["export", "link"]


def test_a_second_call_gives_the_same_export(warm: Platform) -> None:
    warm.post([events.shipped_order(user="u-1")])
    body, _ = exported(warm, "u-1")
    requests = Requests(warm)
    again = requests.ask(EXPORT, id="u-1")["body"]
    assert again["requestId"] == body["requestId"]
    assert requests.carry_out() == []
    given = {"org": ACME, "requestId": body["requestId"], "kind": "export"}
    before = warm.objects("privacy/exports/"), warm.rows("Metadata")
    assert requests.machine.run("again", given).status == "SUCCEEDED"
    assert (warm.objects("privacy/exports/"), warm.rows("Metadata")) == before


def test_a_new_request_makes_a_new_export_and_one_that_is_under_way_goes_on(warm: Platform) -> None:
    warm.post([events.shipped_order(user="u-1")])
    warm.settle()
    first, _ = exported(warm, "u-1")
    warm.post([events.shipped_order(user="u-1")])
    warm.settle()
    requests = Requests(warm)
    why = {"reason": "asked again"}
    assert requests.ask(ANEW, id="u-1", body=why, scopes="subjects:write")["status"] == 403
    asked = [requests.ask(ANEW, id="u-1", body=why) for _ in range(2)]
    assert [one["status"] for one in asked] == [202, 202]
    (again,) = {one["body"]["requestId"] for one in asked}
    assert again != first["requestId"]
    assert [one["body"]["link"] for one in asked] == [None, None]
    assert [one.status for one in requests.carry_out()] == ["SUCCEEDED"]
    last = requests.ask(EXPORT, id="u-1")["body"]
    assert (last["requestId"], last["events"], last["link"] is None) == (again, 2, False)
    assert len(warm.objects("privacy/exports/")) == 2, "the other one goes after its week"
    assert requests.ask(ANEW, id="u-9", body=why)["status"] == 404
    assert requests.erased("u-1")["certificate"]
    assert warm.objects("privacy/exports/") == {}
    assert requests.ask(ANEW, id="u-1", body=why)["status"] == 409


def test_an_erasure_takes_the_export_away_and_none_is_made_while_it_lasts(warm: Platform) -> None:
    warm.post([events.shipped_order(user="u-1"), events.shipped_order(user="u-2")])
    exported(warm, "u-1")
    requests = Requests(warm)
    requests.ask(EXPORT, id="u-2")
    requests.ask("DELETE /v1/subjects/{id}", id="u-2")
    requests.carry_out()
    listed = requests.ask("GET /v1/subjects/requests")["body"]["items"]
    ended = {(one["kind"], one["state"]) for one in listed[:2]}
    assert ended == {("erase", "done"), ("export", "failed")}, "an erasure overtakes an export"
    assert requests.ask(EXPORT, id="u-2")["status"] == 409
    requests.erased("u-1")
    assert warm.objects("privacy/exports/") == {}


def test_a_restricted_person_s_export_is_neither_made_nor_handed_out_until_that_ends(warm: Platform) -> None:
    restriction = "/v1/subjects/{id}/restriction"
    warm.post([events.shipped_order(user="u-1"), events.shipped_order(user="u-2")])
    warm.settle()
    body, _ = exported(warm, "u-1")
    requests = Requests(warm)
    requests.ask(EXPORT, id="u-2")
    for user in ("u-1", "u-2"):
        requests.ask(f"PUT {restriction}", id=user, body={"reason": "disputed"})
    warm.restart_all()
    requests.carry_out()
    assert len(warm.objects("privacy/exports/")) == 1, "none is made of who is restricted meanwhile"
    for user in ("u-1", "u-2"):
        refused = requests.ask(EXPORT, id=user)
        assert (refused["status"], "link" in refused["body"]) == (409, False)
        assert "restricted" in refused["body"]["detail"]
        requests.ask(f"DELETE {restriction}", id=user)
    again = requests.ask(EXPORT, id="u-1")["body"]
    assert (again["requestId"], again["link"] is None) == (body["requestId"], False)
    warm.restart_all()
    assert requests.ask(EXPORT, id="u-2")["body"]["link"] is None
    assert [one.status for one in requests.carry_out()] == ["SUCCEEDED"]
    (made,) = (
        stored for key, stored in warm.objects("privacy/exports/").items() if body["requestId"] not in key
    )
    assert b"Marked Street 1" in zipfile.ZipFile(io.BytesIO(made)).read("events.json")


def test_requests_are_listed_with_the_day_on_which_they_are_due(warm: Platform) -> None:
    warm.post([events.shipped_order(user="u-1")])
    requests = Requests(warm)
    asked = requests.ask(
        "POST /v1/subjects/{id}/rectification", id="u-1", body={"reason": "the street is wrong"}
    )
    assert asked["status"] == 202
    requests.erased("u-1")
    listed = requests.ask("GET /v1/subjects/requests")["body"]
    assert [(one["kind"], one["state"], one["overdue"]) for one in listed["items"]] == [
        ("erase", "done", False),
        ("rectify", "open", False),
    ]
    page = requests.ask("GET /v1/subjects/requests", query={"limit": "1"})["body"]
    rest = requests.ask("GET /v1/subjects/requests", query={"limit": "1", "cursor": page["cursor"]})["body"]
    assert [*page["items"], *rest["items"]] == listed["items"]
    (left,) = requests.ask("GET /v1/subjects/requests", query={"state": "open"})["body"]["items"]
    done = "POST /v1/subjects/requests/{requestId}/done"
    ended = requests.ask(done, requestId=left["requestId"], body={"note": "sent again"})["body"]
    assert (ended["state"], ended["kind"]) == ("done", "rectify")
    erasure = listed["items"][0]["requestId"]
    assert requests.ask(done, requestId=erasure, body={"note": "x"})["status"] == 409
    assert requests.ask(done, requestId="none", body={"note": "x"})["status"] == 404
