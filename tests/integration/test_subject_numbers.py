"""Requests of people whose events have their number, and, from before users were numbers, their id."""

import io
import json
import zipfile
from typing import Any

import pytest

from millrace.contracts import registry
from millrace.core.errors import PermanentError
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from millrace.people.assemble import people_rows
from millrace.people.certificate import OLD_ROWS
from millrace.people.events import PersonEvents
from millrace.people.verification import Stores, verified
from tests.support import before, events
from tests.support.erasing import Requests
from tests.support.platform import ACME, LAKE, Platform

USER = "usr_marked"
EXPORT = "GET /v1/subjects/{id}/export"


@pytest.fixture(autouse=True)
def _empty(warm: Platform) -> None:
    warm.empty()
    warm.restart_all()


class NoSilver:
    """A silver that holds one row, as a test says it."""

    def __init__(self, row: dict[str, Any] | None = None) -> None:
        self.held = row

    def row(self, *_: str) -> dict[str, Any] | None:
        return self.held


class Settings:
    metadata_table, subject_keys_table = "Metadata", "SubjectKeys"

    def __init__(self, running: Platform) -> None:
        self.tenant_key_id = running.kms_key


def stores(running: Platform) -> Stores:
    contracts = registry.load()
    tables = [Table(running.dynamodb, name) for name in ("Events", "UserEvents")]
    metadata, lake = Table(running.dynamodb, "Metadata"), Objects(running.s3, LAKE)
    people = people_rows(Settings(running))
    return Stores(
        people, PersonEvents(*tables), metadata, lake, NoSilver(), contracts, Codec(contracts.dictionary)
    )


def test_an_export_has_events_and_alerts_of_both_names_in_clear(warm: Platform) -> None:
    old, new = events.shipped_order(user=USER), [events.shipped_order(user=USER), events.order(user=USER)]
    with before.unprotected():
        warm.post([old])
    warm.post([*new, events.order(user="other")])
    warm.settle()
    person = people_rows(Settings(warm)).find(ACME, USER)
    assert person is not None
    number = str(person.subject)
    for name in (USER, number):
        row = {
            "metricKey": f"{ACME}#alert",
            "tileKey": f"alert-{name}",
            "userKey": f"{ACME}#{name}",
            "raised": f"2026-11-30T10:00:00.000000Z#{name}",
            "raisedPayload": json.dumps(
                {
                    "alertId": name,
                    "kind": "pattern",
                    "severity": "low",
                    "title": "t",
                    "subject": f"user:{name}",
                }
            ),
        }
        warm.dynamodb.put_item(TableName="Analytics", Item={key: {"S": value} for key, value in row.items()})
    requests = Requests(warm)
    requests.ask(EXPORT, id=USER)
    assert [one.status for one in requests.carry_out()] == ["SUCCEEDED"]
    ((_, stored),) = warm.objects("privacy/exports/").items()
    archive = zipfile.ZipFile(io.BytesIO(stored))
    found = {one["eventId"]: one for one in map(json.loads, archive.read("events.json").splitlines())}
    assert {name: one["data"] for name, one in found.items()} == {
        one["eventId"]: one["data"] for one in [old, *new]
    }
    assert {one["userId"] for one in found.values()} == {USER}
    alerts = [*map(json.loads, archive.read("alerts.json").splitlines())]
    assert [one["subject"] for one in alerts] == [f"user:{USER}"] * 2
    everything = b"".join(archive.read(name) for name in archive.namelist() if name != "requests.json")
    assert number.encode() not in everything


def test_what_decides_about_the_person_is_removed_under_both_names(warm: Platform) -> None:
    with before.unprotected():
        warm.post([events.shipped_order(user=USER)])
    warm.post([events.shipped_order(user=USER), events.shipped_order(user="other")])
    numbers = [row["subject"]["N"] for row in warm.rows("SubjectKeys") if "subject" in row]
    keys = {f"{ACME}#{group}#{name}" for group in ("fraud", "user") for name in (USER, "other", *numbers)}
    for key in keys:
        item = {"featureKey": {"S": key}, "sortKey": {"S": "LATEST"}}
        warm.dynamodb.put_item(TableName="FeatureStore", Item=item)
    number = Requests(warm).erased(USER)["subject"]
    left = {row["featureKey"]["S"] for row in warm.rows("FeatureStore")}
    assert keys - left == {f"{ACME}#{group}#{name}" for group in ("fraud", "user") for name in (USER, number)}


@pytest.mark.parametrize("has_old", [False, True])
def test_the_certificate_says_what_is_left_with_the_id(warm: Platform, has_old: bool) -> None:
    if has_old:
        with before.unprotected():
            warm.post([events.shipped_order(user=USER) for _ in range(3)])
    warm.post([events.shipped_order(user=USER), events.order(user=USER)])
    warm.settle()
    made = Requests(warm).erased(USER)["certificate"]
    assert made["verified"]["events"]["looked"] == made["verified"]["raw"]["looked"] == 2
    assert made["verified"]["before"] == {"looked": 3 if has_old else 0}
    left = [one["what"] for one in made["remains"]]
    assert (OLD_ROWS[1] in left) is has_old
    assert not any("as it was sent" in one for one in left if one != OLD_ROWS[1])


@pytest.mark.parametrize("where", ["Events", "raw", "silver"])
def test_an_id_that_is_left_anywhere_fails_the_verification(
    warm: Platform, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = events.order(user=USER)
    warm.post([order])
    warm.settle()
    found = stores(warm)
    person = found.people.find(ACME, USER)
    assert person is not None
    (row,) = warm.rows("Events")
    place = f"{ACME}#person#nobody"
    warm.dynamodb.delete_item(TableName="SubjectKeys", Key={"subjectKey": {"S": person.place}})
    warm.dynamodb.delete_item(
        TableName="SubjectKeys", Key={"subjectKey": {"S": f"{ACME}#subject#{person.subject}"}}
    )
    looked = verified(found, ACME, USER, place, person.subject)
    assert (looked["events"]["looked"], looked["raw"]["looked"]) == (1, 1)
    event = from_item(row, found.codec)
    if where == "Events":
        body = json.dumps(event.envelope).replace(str(person.subject), USER).encode()
        row["body"] = {"B": found.codec.pack(body, row["dict"]["S"])}
        warm.dynamodb.put_item(TableName="Events", Item=row)
    elif where == "raw":
        monkeypatch.setattr(
            "millrace.people.verification._raw", lambda *_: iter([{"userId": USER, "data": {"payload": {}}}])
        )
    else:
        monkeypatch.setattr(found.silver, "held", {"user_key": str(person.subject), "user_id": USER})
        monkeypatch.setattr("millrace.eventstore.silver.find", lambda *_: {})
    with pytest.raises(PermanentError, match=f"{'silver' if where == 'silver' else where}.* has the id"):
        verified(found, ACME, USER, place, person.subject)
