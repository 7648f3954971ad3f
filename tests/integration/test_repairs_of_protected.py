"""Repairs do not bring protected values where somebody may read them: not by messages, not by tests, not by moves."""

import json
from typing import Any

import pytest

from millrace.access.credentials import ALL_SCOPES
from tests.support import events
from tests.support.platform import Platform

REPLAY = "/v1/quarantine/replay"
WITHOUT = " ".join(scope for scope in ALL_SCOPES if scope != "personal:read")
MARKS = ("ann@marked.example", "Markedann")
EMAIL, NAME = "/data/payload/email", "/data/payload/firstName"
SOURCE = "/data/payload/registrationSource"
BROKEN = [{"op": "replace", "path": "/data/payload/email", "value": "bea@fixed.example"}]
# Each reads, tells or stores in clear a value that is protected, or may be.
READING: tuple[list[dict[str, Any]], ...] = (
    [{"op": "copy", "from": EMAIL, "path": "/timestamp"}],
    [{"op": "copy", "from": EMAIL, "path": "/eventId"}],
    [{"op": "move", "from": EMAIL, "path": "/version"}],
    [{"op": "copy", "from": NAME, "path": SOURCE}],
    [{"op": "copy", "from": "/data/payload", "path": "/data/metadata"}],
    [{"op": "move", "from": "/data", "path": "/eventId"}],
    [{"op": "copy", "from": "", "path": "/x"}],
    [{"op": "copy", "from": EMAIL + "/0", "path": "/timestamp"}],
    [{"op": "copy", "from": SOURCE, "path": NAME}],
    [{"op": "copy", "from": "/data/payload/mail", "path": "/timestamp"}],
    [{"op": "test", "path": EMAIL, "value": MARKS[0]}],
    [{"op": "test", "path": "/data/payload", "value": {}}],
    [{"op": "remove", "path": "/version"}, {"op": "test", "path": NAME, "value": MARKS[1]}],
)


@pytest.fixture(autouse=True)
def _empty(warm: Platform) -> None:
    warm.empty()
    warm.restart_all()


def registered(**changes: Any) -> dict[str, Any]:
    payload = {
        "userId": "usr_1",
        "email": MARKS[0],
        "firstName": MARKS[1],
        "mail": MARKS[0],
        "registrationSource": "",
        **changes.pop("payload", {}),
    }
    return events.order(eventType="user.registered", **changes) | {"data": {"payload": payload}}


def refuse(running: Platform, event: dict[str, Any]) -> str:
    (result,) = running.post([event])["body"]["results"]
    return str(result["quarantineId"])


def replay(running: Platform, patch: list[dict[str, Any]], scopes: str, *, dry: bool) -> dict[str, Any]:
    body = {"filter": {"all": True}, "patch": patch, "dryRun": dry}
    answer = running.call(REPLAY, body, scopes=scopes)
    assert answer["status"] == 200
    return dict(answer["body"])


def clear(running: Platform, identifier: str) -> str:
    """All that somebody without the right sees of it, and all rows."""
    seen = running.get("/v1/quarantine/{id}", id=identifier, scopes=WITHOUT)["body"]
    return json.dumps(seen) + repr(running.rows("Metadata")) + repr(running.rows("Events"))


@pytest.mark.parametrize("version", ["1", "9"])
@pytest.mark.parametrize("patch", READING)
def test_without_the_right_nothing_protected_is_reached(
    warm: Platform, patch: list[dict[str, Any]], version: str
) -> None:
    identifier = refuse(warm, registered(version=version))
    for dry in (True, False):
        done = replay(warm, patch, WITHOUT, dry=dry)
        (result,) = done["results"]
        assert result["status"] == "rejected"
        assert "personal:read" in result["errors"][0]["message"]
        assert not any(mark in json.dumps(done) for mark in MARKS)
    assert not any(mark in clear(warm, identifier) for mark in MARKS)


def test_a_test_answers_the_same_for_a_right_and_a_wrong_guess(warm: Platform) -> None:
    refuse(warm, registered())
    guesses = ([{"op": "test", "path": EMAIL, "value": value}] for value in (MARKS[0], "bob@x.example"))
    right, wrong = (replay(warm, guess, WITHOUT, dry=True)["results"] for guess in guesses)
    assert right == wrong


@pytest.mark.parametrize("patch", READING[:8])
def test_with_the_right_no_value_comes_to_a_weaker_class_and_none_is_shown(
    warm: Platform, patch: list[dict[str, Any]]
) -> None:
    identifier = refuse(warm, registered())
    for dry in (True, False):
        done = replay(warm, patch, " ".join(ALL_SCOPES), dry=dry)
        assert done["replayed"] == done["wouldPass"] == 0
        assert not any(mark in json.dumps(done) for mark in MARKS)
    assert not any(mark in clear(warm, identifier) for mark in MARKS)


def test_within_its_class_a_value_is_moved_with_the_right(warm: Platform) -> None:
    identifier = refuse(warm, registered(payload={"registrationSource": "web"}) | {"timestamp": "soon"})
    patch = [
        {"op": "move", "from": NAME, "path": "/data/payload/lastName"},
        {"op": "replace", "path": "/timestamp", "value": events.moment()},
    ]
    assert replay(warm, patch, WITHOUT, dry=True)["wouldPass"] == 0
    assert replay(warm, patch, " ".join(ALL_SCOPES), dry=False)["replayed"] == 1
    assert MARKS[1] not in clear(warm, identifier)


def test_what_is_not_protected_is_repaired_without_the_right(warm: Platform) -> None:
    event = registered()
    event["data"]["metadata"] = {"referrer": "https://marked.example/", "userAgent": "web"}
    refuse(warm, event)
    patch = [
        {"op": "test", "path": SOURCE, "value": ""},
        {"op": "copy", "from": "/data/metadata/userAgent", "path": SOURCE},
    ]
    assert replay(warm, patch, WITHOUT, dry=False)["replayed"] == 1


@pytest.mark.parametrize(
    ("scopes", "said"), [(WITHOUT, "personal:read"), (" ".join(ALL_SCOPES), "weaker class")]
)
@pytest.mark.parametrize("version", ["1", "9"])
def test_another_type_does_not_bring_values_out(warm: Platform, version: str, scopes: str, said: str) -> None:
    identifier = refuse(warm, registered(version=version))
    patch = [
        {"op": "replace", "path": "/eventType", "value": "system.health.check"},
        {"op": "replace", "path": "/version", "value": "1"},
    ]
    done = replay(warm, patch, scopes, dry=False)
    assert said in done["results"][0]["errors"][0]["message"]
    assert not any(mark in json.dumps(done) + clear(warm, identifier) for mark in MARKS)


def test_a_type_that_nobody_knew_is_changed_with_the_right_and_no_message_shows_a_value(
    warm: Platform,
) -> None:
    event = events.health_check(eventType="no.such")
    event["data"]["payload"] |= {"errorCount": MARKS[1], MARKS[0]: {}}
    identifier = refuse(warm, event)
    typed = [{"op": "replace", "path": "/eventType", "value": events.health_check()["eventType"]}]
    for dry in (True, False):
        (result,) = replay(warm, typed, WITHOUT, dry=dry)["results"]
        assert "personal:read" in result["errors"][0]["message"]
        (result,) = replay(warm, typed, " ".join(ALL_SCOPES), dry=dry)["results"]
        assert [error["code"] for error in result["errors"] if error["pointer"] == "/data/payload/errorCount"]
        assert not any(mark in json.dumps(result) for mark in MARKS)
    assert not any(mark in clear(warm, identifier) for mark in MARKS)


def test_an_event_in_protojson_is_moved_by_nobody(warm: Platform) -> None:
    event = registered(payload={"registrationSource": "web"}) | {"timestamp": "soon"}
    answer = warm.post([event], content_type="application/protobuf+json")
    assert answer["body"]["rejected"] == 1
    patch = [{"op": "copy", "from": NAME, "path": "/timestamp"}]
    for scopes in (WITHOUT, " ".join(ALL_SCOPES)):
        done = replay(warm, patch, scopes, dry=True)
        assert done["wouldPass"] == 0
        assert not any(mark in json.dumps(done) for mark in MARKS)


def test_a_dry_run_is_a_line_of_the_audit_and_no_line_holds_a_value(warm: Platform) -> None:
    refuse(warm, registered())
    for dry in (True, True, False):
        replay(warm, BROKEN, WITHOUT, dry=dry)
    rows = [row for row in warm.rows("Metadata") if row.get("action", {}).get("S") == "quarantine.replay"]
    told = [json.loads(row["detail"]["S"]) for row in rows]
    assert sorted(one["state"] for one in told) == ["begun", "done", "tried", "tried"]
    kept = [{"op": "replace", "path": EMAIL, "bytes": len('"bea@fixed.example"')}]
    assert all(one["patch"] == kept for one in told)
    assert "bea@fixed" not in repr(rows)
