"""Refused events: kept whole, listed, read, repaired, tried, replayed once, discarded."""

import json
import time
from typing import Any

import pytest

from millrace.quarantine import store
from tests.support import events
from tests.support.platform import GLOBEX, Platform

REPLAY, DISCARD = "/v1/quarantine/replay", "/v1/quarantine/discard"
LIST, ONE = "/v1/quarantine", "/v1/quarantine/{id}"
ALL = {"all": True}
FIX = [{"op": "replace", "path": "/data/payload/totalAmount", "value": 45.48}]


def broken(**changes: Any) -> dict[str, Any]:
    return events.order(payload={"totalAmount": -1}, **changes)


def test_a_refused_event_is_read_as_it_was_sent(running: Platform) -> None:
    line = b'{"eventId": "x",\t"a": "\\u00e9"}'
    answer = running.post(line + b"\n\xff\xfe{", content_type="application/x-ndjson")
    first, second = [result["quarantineId"] for result in answer["body"]["results"]]
    found = running.get(ONE, id=first)["body"]
    assert (found["raw"], found["rawEncoding"], found["status"]) == (line.decode(), "utf-8", "open")
    found = running.get(ONE, id=second)["body"]
    assert (found["raw"], found["rawEncoding"]) == ("//57", "base64")
    for unknown in ("", "x", "0" * 36, "f" * 36, first[:-1] + "g"):
        assert running.get(ONE, id=unknown)["status"] == 404


def test_lists_filter_and_page_newest_first(running: Platform) -> None:
    for _ in range(3):
        running.post([broken(), {**events.order(), "eventType": "no.such"}])
    everything = running.get(LIST)["body"]["items"]
    assert len(everything) == 6
    moments = [item["receivedAt"] for item in everything]
    assert moments == sorted(moments, reverse=True)
    assert {
        item["eventType"] for item in running.get(LIST, query={"code": "unknown_type"})["body"]["items"]
    } == {"no.such"}
    assert len(running.get(LIST, query={"eventType": "order.created"})["body"]["items"]) == 3
    assert running.get(LIST, query={"to": "2026-01-01T00:00:00Z"})["body"]["items"] == []
    seen, cursor = [], None
    for _ in range(4):
        page = running.get(LIST, query={"limit": "4", **({"cursor": cursor} if cursor else {})})["body"]
        seen += page["items"]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == everything


def test_a_dry_run_changes_nothing_and_the_replay_keeps_the_id(running: Platform) -> None:
    event = broken()
    refused = running.post([event, broken(eventType="no.such")])["body"]["results"]
    tried = running.call(REPLAY, {"filter": {"eventType": "order.created"}, "patch": FIX, "dryRun": True})[
        "body"
    ]
    assert {name: tried[name] for name in ("matched", "wouldPass", "replayed", "stillFailing")} == {
        "matched": 1,
        "wouldPass": 1,
        "replayed": 0,
        "stillFailing": 0,
    }
    assert running.rows("Events") == []
    done = running.call(REPLAY, {"filter": ALL, "patch": FIX})["body"]
    assert (done["matched"], done["replayed"], done["stillFailing"]) == (2, 1, 1)
    stored = running.get("/v1/events/{eventId}", eventId=event["eventId"])["body"]
    assert stored["data"]["payload"]["totalAmount"] == 45.48
    assert running.get(ONE, id=refused[0]["quarantineId"])["body"]["status"] == "replayed"
    assert running.get(ONE, id=refused[1]["quarantineId"])["body"]["status"] == "open"
    audits = [
        row for row in running.rows("Metadata") if row.get("action", {}).get("S") == "quarantine.replay"
    ]
    told = [json.loads(row["detail"]["S"]) for row in audits]
    assert sorted(one["state"] for one in told) == ["begun", "done", "tried"]
    kept = [{"op": "replace", "path": "/data/payload/totalAmount", "bytes": 5}]
    assert [one["patch"] for one in told] == [kept] * 3, "no value of a patch is in the audit"
    # What still fails is not kept a second time, and what passed is not replayed a second time.
    retry = running.call(REPLAY, {"filter": ALL, "patch": FIX})["body"]
    assert (retry["matched"], retry["stillFailing"]) == (1, 1)
    assert len(running.get(LIST)["body"]["items"]) == 2


def test_a_replay_cut_off_after_its_append_stores_nothing_twice(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from millrace.quarantine.store import QuarantineStore

    running.post(broken())
    with monkeypatch.context() as broken_off:
        broken_off.setattr(QuarantineStore, "mark", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            running.call(REPLAY, {"filter": ALL, "patch": FIX})
    assert len(running.rows("Events")) == 1
    done = running.call(REPLAY, {"filter": ALL, "patch": FIX})["body"]
    assert (done["replayed"], done["results"][0]["status"]) == (1, "duplicate")
    assert len(running.rows("Events")) == 1


def test_a_conflict_is_repaired_with_an_id_of_its_own(running: Platform) -> None:
    event = events.order()
    running.post(event)
    running.post({**event, "correlationId": "another"})
    assert running.call(REPLAY, {"filter": {"code": "conflict"}})["body"]["stillFailing"] == 1
    own = [{"op": "replace", "path": "/eventId", "value": events.new_id()}]
    assert running.call(REPLAY, {"filter": {"code": "conflict"}, "patch": own})["body"]["replayed"] == 1
    assert len(running.rows("Events")) == 2


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "nonsense", "path": "/a"}],
        [{"op": "add"}],
        ["add"],
        "add",
        [{"op": "add", "path": "no pointer", "value": 1}],
    ],
)
def test_an_invalid_patch_is_a_400(running: Platform, patch: Any) -> None:
    running.post(broken())
    assert running.call(REPLAY, {"filter": ALL, "patch": patch})["status"] == 400


def test_a_patch_that_does_not_apply_leaves_the_event_open(running: Platform) -> None:
    running.post(broken())
    patch = [{"op": "remove", "path": "/data/payload/nothing/here"}]
    done = running.call(REPLAY, {"filter": ALL, "patch": patch})["body"]
    assert (done["stillFailing"], done["results"][0]["errors"][0]["code"]) == (1, "rule")


def test_a_tenant_discards_and_replays_its_own(running: Platform) -> None:
    refused = running.post([broken(), broken()])["body"]["results"]
    assert (
        running.call(DISCARD, {"filter": {"eventType": "order.created"}}, org=GLOBEX)["body"]["matched"] == 0
    )
    assert running.call(REPLAY, {"filter": ALL, "patch": FIX}, org=GLOBEX)["body"]["matched"] == 0
    one = {"filter": {"quarantineId": refused[0]["quarantineId"]}}
    assert running.call(DISCARD, one)["body"] == {
        "matched": 1,
        "discarded": 1,
        "more": False,
        "cursor": None,
    }
    assert running.call(DISCARD, one)["body"] == {
        "matched": 0,
        "discarded": 0,
        "more": False,
        "cursor": None,
    }
    assert running.call(REPLAY, {"filter": ALL})["body"]["matched"] == 1
    assert running.call(REPLAY, {"filter": ALL}, scopes="quarantine:read")["status"] == 403


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"dryRun": "yes"}', b'{"filter": []}', b'{"filter": {"x": "y"}}', b'{"a": 1}']
)
def test_a_wrong_body_is_a_400(running: Platform, body: bytes) -> None:
    assert running.call(REPLAY, body)["status"] == 400


def test_a_patch_keeps_its_numbers_exactly(running: Platform) -> None:
    running.post(broken(region="r"))
    body = b'{"filter": {"all": true}, "patch": [{"op": "add", "path": "/data/payload/x", "value": %s}]}'
    assert running.call(REPLAY, body % b"100000000000000000000")["status"] == 400
    assert running.call(REPLAY, body % b"1e20")["body"]["matched"] == 1


def test_a_message_delivered_twice_is_kept_once_and_blocks_nothing(running: Platform) -> None:
    body = {
        "org": "org_acme",
        "binding": "B",
        "eventType": "",
        "id": "1",
        "source": "s",
        "time": events.moment(),
    }
    record = {
        "messageId": "m-1",
        "body": json.dumps({**body, "detail": {"eventType": "no.such"}}),
        "eventSource": "aws:sqs",
        "attributes": {"SentTimestamp": str(int(time.time() * 1000))},
    }
    for _ in range(2):
        assert running.functions["receive_bus_events"]({"Records": [record]}, None)["batchItemFailures"] == []
        time.sleep(0.005)
    (item,) = running.get(LIST)["body"]["items"]
    assert running.get(ONE, id=item["quarantineId"])["status"] == 200
    assert running.call(REPLAY, {"filter": ALL})["body"]["stillFailing"] == 1


def test_rows_without_their_object_and_expired_rows_are_skipped(running: Platform) -> None:
    first = running.post(broken())["body"]["results"][0]["quarantineId"]
    second = running.post(broken())["body"]["results"][0]["quarantineId"]
    for key in running.objects("quarantine/"):
        running.s3.delete_object(Bucket="lake", Key=key)
        break
    found = [running.get(ONE, id=one)["status"] for one in (first, second)]
    assert sorted(found) == [200, 404]
    assert running.call(REPLAY, {"filter": ALL, "patch": FIX})["body"]["replayed"] == 1
    for row in running.rows("Metadata"):
        if "#quarantine#" in row["entityTypeKey"]["S"]:
            running.dynamodb.put_item(TableName="Metadata", Item={**row, "expiresAt": {"N": "1"}})
    assert running.get(LIST)["body"]["items"] == []
    assert running.get(ONE, id=second)["status"] == running.get(ONE, id=first)["status"] == 404


def test_a_deep_event_does_not_stop_a_replay(running: Platform) -> None:
    deep = json.dumps(broken()).replace('"payload": {', '"payload": {"x": ' + "[" * 300 + "]" * 300 + ", ", 1)
    running.post(f"[{deep},{json.dumps(broken())}]".encode())
    done = running.call(REPLAY, {"filter": ALL, "patch": FIX})["body"]
    assert (done["matched"], done["replayed"], done["stillFailing"]) == (2, 1, 1)


def test_a_patch_that_makes_an_event_too_large_is_stopped(running: Platform) -> None:
    running.post(broken(region="r"))
    copies = [{"op": "add", "path": "/x", "value": ["abcdefgh"]}]
    copies += [{"op": "copy", "from": "/x", "path": "/x/-"}] * 45
    done = running.call(REPLAY, {"filter": ALL, "patch": copies})["body"]
    assert done["results"][0]["errors"][0]["message"].endswith("grows too large")
    assert running.call(REPLAY, {"filter": ALL, "patch": copies * 2})["status"] == 400
    assert (
        running.call(REPLAY, {"filter": ALL, "patch": [{"op": "add", "path": "/x", "value": "y" * 70_000}]})[
            "status"
        ]
        == 413
    )


def test_a_replay_keeps_who_sent_the_event_first(running: Platform) -> None:
    event = broken()
    running.post(event)
    running.call(REPLAY, {"filter": ALL, "patch": FIX}, principal="the operator")
    stored = running.get("/v1/events/{eventId}", eventId=event["eventId"])["body"]
    assert stored["eventSource"] == "shop of org_acme"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"to": "2099-01-01T00:00:00Z"}, 200),
        ({"to": "0001-01-02T00:00:00Z"}, 200),
        ({"from": "0001-01-02T00:00:00Z"}, 200),
        ({"limit": "000001999" + "9" * 5000}, 400),
        ({"limit": "0000019"}, 400),
        ({"cursor": "WyJhIiwieCJd"}, 400),
    ],
)
def test_odd_bounds_are_answered(running: Platform, query: dict[str, str], status: int) -> None:
    running.post(broken())
    found = running.get(LIST, query=query)
    assert found["status"] == status
    if "to" in query and status == 200:
        assert len(found["body"]["items"]) == (1 if query["to"] > "2026" else 0)


def test_an_id_of_another_format_matches_nothing(running: Platform) -> None:
    for identifier in ("e677d21fdbff" + "0" * 24, "f" * 36, "nonsense"):
        assert running.call(REPLAY, {"filter": {"quarantineId": identifier}})["body"]["matched"] == 0


def test_raw_that_json_would_make_too_long_is_base64(running: Platform) -> None:
    refused = running.post(b"\x01" * 1_500_000)["body"]["results"][0]["quarantineId"]
    found = running.get(ONE, id=refused)["body"]
    assert (found["rawEncoding"], len(found["raw"])) == ("base64", 2_000_000)


def test_a_refused_event_remembers_its_failed_replays_and_who_closed_it(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ATTEMPTS", 2)
    running.post(broken())
    (item,) = running.get(LIST)["body"]["items"]
    assert "attempts" not in item
    for value in (-2, -3, -4):
        patch = [{"op": "replace", "path": "/data/payload/totalAmount", "value": value}]
        running.call(REPLAY, {"filter": ALL, "patch": patch, "dryRun": True})
        running.call(REPLAY, {"filter": ALL, "patch": patch})
    found = running.get(ONE, id=item["quarantineId"])["body"]
    assert [one["errors"][0]["message"][-2:] for one in found["attempts"]] == ["-3", "-4"]
    assert {(one["status"], one["by"]) for one in found["attempts"]} == {("rejected", "shop of org_acme")}
    assert (found["closedAt"], found["closedBy"]) == (None, None)
    running.call(REPLAY, {"filter": ALL, "patch": FIX})
    found = running.get(ONE, id=item["quarantineId"])["body"]
    assert (found["status"], found["closedBy"]) == ("replayed", "shop of org_acme")
    assert len(found["attempts"]) == 2


def test_lists_filter_by_status(running: Platform) -> None:
    running.post([broken(), {**events.order(), "eventType": "no.such"}])
    running.call(DISCARD, {"filter": {"eventType": "no.such"}})
    for status, kind in (("open", "order.created"), ("discarded", "no.such")):
        items = running.get(LIST, query={"status": status})["body"]["items"]
        assert [item["eventType"] for item in items] == [kind]
    assert running.get(LIST, query={"status": "replayed"})["body"]["items"] == []
    assert running.get(LIST, query={"status": "gone"})["status"] == 400


def test_what_is_no_json_is_replaced_as_a_whole(running: Platform) -> None:
    event = events.order()
    running.post(json.dumps(event).encode()[:-1] + b",}")
    for patch in (FIX, [{"op": "add", "path": "/a", "value": 1}]):
        answer = running.call(REPLAY, {"filter": ALL, "patch": patch})["body"]
        assert answer["results"][0]["errors"][0]["code"] == "malformed"
    whole = [{"op": "replace", "path": "", "value": event}]
    assert running.call(REPLAY, {"filter": ALL, "patch": whole})["body"]["replayed"] == 1
    assert running.stored("org_acme", event["eventId"])


def test_what_another_tenant_sent_is_as_absent(running: Platform) -> None:
    (result,) = running.post(broken())["body"]["results"]
    name = result["quarantineId"]
    assert running.get(ONE, org=GLOBEX, id=name)["status"] == 404
    assert running.get(LIST, org=GLOBEX, query={"status": "open"})["body"]["items"] == []
    body = {"filter": {"quarantineId": name}, "patch": FIX}
    assert running.call(REPLAY, body, org=GLOBEX)["body"]["matched"] == 0
    assert running.get(ONE, id=name)["body"]["attempts"] == []
