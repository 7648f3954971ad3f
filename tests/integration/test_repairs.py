"""Replays and discards of refused events: explicit filters, which of two calls wins, work of one call, audit rows."""

import json
import threading
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from millrace.core import clock, sizes
from millrace.intake import replay as replays
from millrace.intake.accept import Intake
from millrace.quarantine import store as stores
from millrace.quarantine.store import QuarantineStore
from tests.support import events
from tests.support.platform import GLOBEX, Platform

REPLAY, DISCARD, LIST = "/v1/quarantine/replay", "/v1/quarantine/discard", "/v1/quarantine"
FIX = [{"op": "replace", "path": "/data/payload/totalAmount", "value": 45.48}]
ALL = {"all": True}
# Bodies that name nothing, or nothing that can be meant.
NO_FILTERS = (
    b"",
    b"null",
    b"{}",
    b'{"filter": null}',
    b'{"filter": {}}',
    b'{"filter": []}',
    b'{"filter": true}',
    b'{"filter": {"all": false}}',
    b'{"filter": {"all": "true"}}',
    b'{"filter": {"all": 1}}',
    b'{"filter": {"all": true, "code": "enum"}}',
    b'{"filter": {"status": "open"}}',
    b'{"filter": {"code": ""}}',
    b'{"filter": {"code": 1}}',
    b'{"filter": {"from": "yesterday"}}',
    b'{"filter": {"to": "9999-12-31T23:59:59-14:00"}}',
    b'{"filter": {"all": true}, "cursor": 1}',
    b'{"filter": {"all": true}, "cursor": ""}',
    b'{"filter": {"all": true}, "cursor": "WyJhIiwieCJd"}',
    b'{"filter": {"all": true}, "limit": 5}',
)


def refuse(running: Platform, count: int, **payload: Any) -> list[str]:
    sent = [events.order(payload={"totalAmount": -1, **payload}) for _ in range(count)]
    assert running.post(sent)["body"]["rejected"] == count
    return [event["eventId"] for event in sent]


def statuses(running: Platform) -> list[str]:
    items = running.get(LIST, query={"limit": "500"})["body"]["items"]
    return sorted({item["status"] for item in items})


def audits(running: Platform, action: str, state: str = "done") -> list[dict[str, Any]]:
    rows = [r for r in running.rows("Metadata") if r.get("action", {}).get("S") == f"quarantine.{action}"]
    lines = [{"principal": row["principal"]["S"], **json.loads(row["detail"]["S"])} for row in rows]
    return [line for line in lines if line["state"] == state]


@pytest.mark.parametrize("path", [REPLAY, DISCARD])
def test_a_filter_is_explicit(running: Platform, path: str) -> None:
    refuse(running, 2)
    answers = {body: running.call(path, body)["status"] for body in NO_FILTERS}
    assert answers == dict.fromkeys(NO_FILTERS, 400)
    assert statuses(running) == ["open"]
    assert running.rows("Events") == []


def test_all_of_them_are_the_tenants_own(running: Platform) -> None:
    refuse(running, 3)
    assert running.call(DISCARD, {"filter": ALL}, org=GLOBEX)["body"]["matched"] == 0
    assert running.call(DISCARD, {"filter": ALL})["body"]["discarded"] == 3
    assert running.call(DISCARD, {"filter": ALL})["body"]["matched"] == 0


def test_a_discard_in_the_middle_of_a_replay_closes_nothing(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = refuse(running, 60)
    discards: list[dict[str, Any]] = []
    append = Intake.replay

    def meanwhile(*arguments: Any, **named: Any) -> Any:
        if not discards:
            discards.append({})
            discards.append(running.call(DISCARD, {"filter": ALL})["body"])
        return append(*arguments, **named)

    monkeypatch.setattr(Intake, "replay", meanwhile)
    done = running.call(REPLAY, {"filter": ALL, "patch": FIX})["body"]
    # The first round was claimed; the discard had those behind it.
    assert discards[1]["matched"] == 60
    assert discards[1]["discarded"] == 60 - replays.ROUND_EVENTS
    assert done["replayed"] == done["matched"] == replays.ROUND_EVENTS
    assert len(running.rows("Events")) == replays.ROUND_EVENTS < len(sent)
    items = running.get(LIST, query={"limit": "500"})["body"]["items"]
    assert sum(item["status"] == "replayed" for item in items) == replays.ROUND_EVENTS
    assert sum(item["status"] == "discarded" for item in items) == 10
    assert [audit["discarded"] for audit in audits(running, "discard")] == [10]
    assert [audit["replayed"] for audit in audits(running, "replay")] == [50]


def test_a_discard_before_the_claim_wins(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(running, 7)
    claim = QuarantineStore.claim

    def late(*arguments: Any) -> Any:
        assert running.call(DISCARD, {"filter": ALL})["body"]["discarded"] == 7
        return claim(*arguments)

    monkeypatch.setattr(QuarantineStore, "claim", late)
    done = running.call(REPLAY, {"filter": ALL, "patch": FIX})["body"]
    assert (done["matched"], done["replayed"], done["results"]) == (0, 0, [])
    assert running.rows("Events") == []
    assert statuses(running) == ["discarded"]


def test_two_replays_at_once_count_each_event_once(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(running, 12)
    others: list[dict[str, Any]] = []
    append = Intake.replay

    def meanwhile(*arguments: Any, **named: Any) -> Any:
        if not others:
            others.append({})
            others.append(running.call(REPLAY, {"filter": ALL, "patch": FIX})["body"])
        return append(*arguments, **named)

    monkeypatch.setattr(Intake, "replay", meanwhile)
    done = running.call(REPLAY, {"filter": ALL, "patch": FIX})["body"]
    assert done["replayed"] + others[1]["replayed"] == 12
    assert len(running.rows("Events")) == 12
    assert statuses(running) == ["replayed"]


def test_discards_and_replays_from_many_threads_share_what_there_is(running: Platform) -> None:
    refuse(running, 60)
    answers: list[dict[str, Any]] = []

    def ask(path: str, body: dict[str, Any]) -> None:
        answers.append(running.call(path, body)["body"])

    requests = [(REPLAY, {"filter": ALL, "patch": FIX}), (DISCARD, {"filter": ALL})] * 2
    threads = [threading.Thread(target=ask, args=request) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    replayed = sum(answer.get("replayed", 0) for answer in answers)
    discarded = sum(answer.get("discarded", 0) for answer in answers)
    assert replayed + discarded == 60
    assert len(running.rows("Events")) == replayed


def test_an_event_that_still_fails_is_open_again(running: Platform) -> None:
    refuse(running, 3)
    assert running.call(REPLAY, {"filter": ALL})["body"]["stillFailing"] == 3
    assert running.call(DISCARD, {"filter": ALL})["body"]["discarded"] == 3


def test_a_claim_of_a_replay_that_was_killed_ends(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(running, 2)
    with monkeypatch.context() as killed:
        killed.setattr(Intake, "replay", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            running.call(REPLAY, {"filter": ALL, "patch": FIX})
    assert len(audits(running, "replay", "begun")) == 1
    assert audits(running, "replay") == []
    assert running.call(DISCARD, {"filter": ALL})["body"]["discarded"] == 0
    # Another patch would make something else of it.
    waits = running.call(REPLAY, {"filter": ALL})["body"]
    assert ([one["status"] for one in waits["results"]], waits["stillFailing"]) == (["unavailable"] * 2, 2)
    later = clock.now() + timedelta(minutes=2)
    monkeypatch.setattr(clock, "now", lambda: later)
    # With its time the claim is over.
    assert running.call(REPLAY, {"filter": ALL})["body"]["results"][0]["status"] == "rejected"
    assert running.call(DISCARD, {"filter": ALL})["body"]["discarded"] == 2


def test_a_replay_that_was_killed_is_made_again_at_once(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(running, 2)
    with monkeypatch.context() as killed:
        killed.setattr(QuarantineStore, "mark", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            running.call(REPLAY, {"filter": ALL, "patch": FIX})
    assert running.call(REPLAY, {"filter": ALL, "patch": FIX})["body"]["replayed"] == 2
    assert len(running.rows("Events")) == 2


def test_of_two_replays_that_give_other_ids_one_wins(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(running, 1)
    patches = [[*FIX, {"op": "replace", "path": "/eventId", "value": f"{uuid4()}"}] for _ in range(2)]
    others: list[dict[str, Any]] = []
    append = Intake.replay

    def meanwhile(*arguments: Any, **named: Any) -> Any:
        if not others:
            others.append({})
            others.append(running.call(REPLAY, {"filter": ALL, "patch": patches[1]})["body"])
        return append(*arguments, **named)

    monkeypatch.setattr(Intake, "replay", meanwhile)
    done = running.call(REPLAY, {"filter": ALL, "patch": patches[0]})["body"]
    assert (done["replayed"], others[1]["replayed"]) == (1, 0)
    assert [one["status"] for one in others[1]["results"]] == ["unavailable"]
    assert len(running.rows("Events")) == 1


def test_each_call_leaves_an_audit_row_with_its_filter(running: Platform) -> None:
    refuse(running, 3)
    running.call(REPLAY, {"filter": {"code": "minimum"}, "dryRun": True})
    running.call(DISCARD, {"filter": {"code": "enum"}})
    for state in ("begun", "done"):
        assert audits(running, "replay", state) == audits(running, "discard", state) == []
    running.call(REPLAY, {"filter": {"code": "minimum"}, "patch": FIX}, principal="the operator")
    (audit,) = audits(running, "replay")
    assert (audit["principal"], audit["replayed"], audit["matched"]) == ("the operator", 3, 3)
    assert audit["filter"]["code"] == "minimum"
    assert audit["state"] == "done"


def page(running: Platform, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Answers of call after call, each continuing where the one before stopped."""
    answers: list[dict[str, Any]] = []
    request = dict(body)
    for _ in range(50):
        answer = running.call(path, request)
        assert answer["status"] == 200, answer
        answers.append(answer["body"])
        assert answer["body"]["more"] == (answer["body"]["cursor"] is not None)
        if not answer["body"]["more"]:
            return answers
        request["cursor"] = answer["body"]["cursor"]
    raise AssertionError("the cursors do not end")


def test_a_replay_continues_behind_what_fails(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "EVENTS_PER_CALL", 4)
    good = refuse(running, 5)
    time.sleep(0.01)
    refuse(running, 6, currency="no currency")
    answers = page(running, REPLAY, {"filter": ALL, "patch": FIX})
    assert [answer["matched"] for answer in answers] == [4, 4, 3]
    assert sum(answer["replayed"] for answer in answers) == 5
    assert len({r["quarantineId"] for answer in answers for r in answer["results"]}) == 11
    assert {row["eventId"]["S"].partition("#")[2] for row in running.rows("Events")} == set(good)


def test_a_discard_continues(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace.api.repairs.EVENTS_PER_CALL", 3)
    monkeypatch.setattr(stores, "ROUND", 2)
    refuse(running, 8)
    answers = page(running, DISCARD, {"filter": ALL})
    assert [answer["discarded"] for answer in answers] == [3, 3, 2]
    assert statuses(running) == ["discarded"]


def test_a_cursor_belongs_to_one_tenant_call_and_filter(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "EVENTS_PER_CALL", 1)
    refuse(running, 3)
    request = {"filter": {"code": "minimum"}, "dryRun": True}
    cursor = running.call(REPLAY, request)["body"]["cursor"]
    assert running.call(REPLAY, {**request, "cursor": cursor})["status"] == 200
    for path, body, org in (
        (REPLAY, {**request, "filter": ALL}, "org_acme"),
        (REPLAY, {**request, "patch": FIX}, "org_acme"),
        (REPLAY, {"filter": request["filter"]}, "org_acme"),
        (DISCARD, {"filter": request["filter"]}, "org_acme"),
        (REPLAY, request, GLOBEX),
    ):
        assert running.call(path, {**body, "cursor": cursor}, org=org)["status"] == 400


def test_a_call_does_at_most_so_many_bytes_times_operations(running: Platform) -> None:
    large = {"note": "x" * 250_000}
    for _ in range(3):
        refuse(running, 12, **large)
    tests = [{"op": "test", "path": "/data/payload/totalAmount", "value": -1}] * 25
    started = time.process_time()
    answers = page(running, REPLAY, {"filter": ALL, "patch": [*tests, *FIX], "dryRun": True})
    taken = time.process_time() - started
    work = 250_000 * (1 + 26)
    assert answers[0]["matched"] == replays.WORK_BYTES // work < 12
    assert sum(answer["wouldPass"] for answer in answers) == 36
    assert taken / len(answers) < 6


def test_time_ends_a_call(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "SECONDS", -1.0)
    refuse(running, 3)
    answers = page(running, REPLAY, {"filter": ALL, "patch": FIX})
    assert [answer["replayed"] for answer in answers] == [1, 1, 1]


def test_a_value_that_a_patch_does_not_apply_to_is_not_shown(running: Platform) -> None:
    refuse(running, 1, note="Jane Doe, 1 Secret St")
    patch = [{"op": "test", "path": "/data/payload/note", "value": "x"}]
    done = running.call(REPLAY, {"filter": ALL, "patch": patch})["body"]
    assert "Jane" not in json.dumps(done)
    assert done["results"][0]["errors"][0]["message"] == "operation 1 of the patch (test) does not apply"


def test_the_longest_answers_fit(running: Platform) -> None:
    strange = {f"{number:02d}" + '"' * 250: "x" for number in range(20)}
    for _ in range(2):
        assert running.post([{**events.order(), **strange} for _ in range(300)])["status"] == 400
    seen: list[str] = []
    query: dict[str, str] = {"limit": "500"}
    for _ in range(20):
        answer = running.get(LIST, query=query)["body"]
        assert sizes.of(json.dumps(answer, ensure_ascii=False).encode()) < 6 * 1024 * 1024
        seen += [item["quarantineId"] for item in answer["items"]]
        if answer["cursor"] is None:
            break
        query["cursor"] = answer["cursor"]
    assert len(seen) == len(set(seen)) == 600
    for answer in page(running, REPLAY, {"filter": ALL, "dryRun": True}):
        assert sizes.of(json.dumps(answer, ensure_ascii=False).encode()) < 6 * 1024 * 1024
