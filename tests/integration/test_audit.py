"""The audit through the API: whose it is, in pages, with lines from before the chain; anchored and verified."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from millrace.audit import reading
from millrace.audit.store import AuditStore
from millrace.core import audit, clock
from millrace.core.errors import RetryableError
from millrace.core.objects import Objects
from millrace.core.table import Table
from tests.support.platform import ACME, GLOBEX, LAKE, Platform

LIST = "/v1/audit"


def store(running: Platform) -> AuditStore:
    return AuditStore(metadata(running), Objects(running.s3, LAKE))


def metadata(running: Platform) -> Table:
    return Table(running.dynamodb, "Metadata")


def tell(
    running: Platform, count: int = 1, *, org: str = ACME, action: str = "keys.create", **more: Any
) -> None:
    for at in range(count):
        audit.write(metadata(running), org, action, more.pop("principal", "ann"), {"at": at}, **more)


def before_the_chain(running: Platform, days_ago: int, name: str, org: str = ACME) -> None:
    moment = clock.utc_text(clock.now() - timedelta(days=days_ago))
    row = {
        "entityTypeKey": {"S": f"{org}#audit#{moment[:10]}"},
        "entityId": {"S": f"{moment}#{name}"},
        "action": {"S": "quarantine.replay"},
        "principal": {"S": "shop"},
        "detail": {"S": '{"replayed":1}'},
    }
    metadata(running).put(row)


def pages(running: Platform, **query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(100):
        more = {"cursor": cursor} if cursor else {}
        answer = running.get(LIST, query={**query, **more})
        assert answer["status"] == 200
        items += answer["body"]["items"]
        cursor = answer["body"]["cursor"]
        if cursor is None:
            return items
    raise AssertionError("a list without an end")


def test_lines_are_the_tenants_own_and_need_their_right(running: Platform) -> None:
    tell(running, 3)
    tell(running, 1, org=GLOBEX)
    answer = running.get(LIST)["body"]
    assert [(one["number"], one["action"]) for one in answer["items"]] == [
        (4, "audit.read"),
        (3, "keys.create"),
        (2, "keys.create"),
        (1, "keys.create"),
    ]
    assert answer["items"][1]["previous"] == answer["items"][2]["hash"]
    assert {one["inChain"] for one in answer["items"]} == {True}
    theirs = running.get(LIST, org=GLOBEX)["body"]["items"]
    assert [one["number"] for one in theirs] == [2, 1]
    first = running.get(LIST, query={"limit": "1"})["body"]
    assert running.get(LIST, org=GLOBEX, query={"limit": "1", "cursor": first["cursor"]})["status"] == 400
    assert running.get(LIST, scopes="events:read")["status"] == 403


def test_pages_hold_each_line_once_with_those_before_the_chain(running: Platform) -> None:
    for days_ago in (1, 1, 3, 200):
        before_the_chain(running, days_ago, f"request-{days_ago}-{len(running.rows('Metadata'))}")
    tell(running, 5)
    items = pages(running, limit="2")
    # Of the read itself there is one line, whatever the number of pages.
    assert [one["number"] for one in items] == [6, 5, 4, 3, 2, 1, None, None, None, None]
    assert [one["inChain"] for one in items] == [True] * 6 + [False] * 4
    assert items[-1]["name"].startswith("request-200-")
    assert items[-1]["detail"] == {"replayed": 1}
    assert items[-1]["hash"] is None


def test_filters(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()
    for hours in range(10, 0, -1):
        tell(running, at=now - timedelta(hours=hours), principal="ann" if hours % 2 else "bob")
    tell(running, action="keys.revoke")
    since, until = (clock.utc_text(now - timedelta(hours=hours)) for hours in (7, 3))
    between = pages(running, **{"from": since, "to": until, "limit": "3"})
    assert [one["at"] for one in between] == [
        clock.utc_text(now - timedelta(hours=hours)) for hours in (4, 5, 6, 7)
    ]
    assert [one["number"] for one in pages(running, action="keys.revoke")] == [11]
    # A call looks at so many lines, and its cursor goes on.
    monkeypatch.setattr(reading, "MOST_LINES", 3)
    assert len(pages(running, principal="bob")) == 5
    assert pages(running, principal="nobody") == []
    assert running.get(LIST, query={"cursor": "chain:x"})["status"] == 400
    assert running.get(LIST, query={"from": "yesterday"})["status"] == 400
    before = len(pages(running))
    for action in ("nope", "keys", "KEYS.CREATE"):
        assert running.get(LIST, query={"action": action})["status"] == 400
    assert len(pages(running)) == before + 1, "what is refused reads nothing"


def test_what_is_refused_and_repaired_is_in_the_chain(running: Platform) -> None:
    running.call("/v1/quarantine/discard", {"filter": {"all": True}})
    running.post([{"eventId": "broken"}])
    running.call("/v1/quarantine/discard", {"filter": {"all": True}}, principal="the operator")
    done, begun = pages(running, action="quarantine.discard")
    assert (begun["detail"]["state"], done["detail"]["state"]) == ("begun", "done")
    assert done["principal"] == "the operator"
    assert store(running).verify().broken == []


def test_anchors_and_verification_over_the_stores(running: Platform) -> None:
    now = clock.now()
    tell(running, 3)
    tell(running, 2, org=GLOBEX)
    kept = store(running)
    first = kept.anchor(now)
    assert first is not None
    assert {org: head.number for org, head in first.heads.items()} == {ACME: 3, GLOBEX: 2}
    assert kept.anchor(now) is None, "one a day"
    tell(running, 2)
    second = kept.anchor(now + timedelta(days=1))
    assert second is not None
    assert (second.previous_key, second.previous_digest) == (first.key, first.digest)
    assert second.heads[ACME].number == 5
    verdict = kept.verify()
    assert (verdict.broken, verdict.anchors, verdict.lines) == ([], 2, 9)
    tell(running, 1)
    assert kept.verify_new(now).broken == []

    whole = running.rows("Metadata")
    chain = sorted((r for r in whole if r["entityTypeKey"]["S"] == audit.partition(ACME)), key=_number)

    def found() -> set[tuple[str, Any, Any]]:
        broken = kept.verify().broken
        for row in chain:
            metadata(running).put(row)
        return {(one.kind, one.org, one.number) for one in broken}

    metadata(running).put({**chain[1], "principal": {"S": "somebody else"}})
    assert found() == {("changed", ACME, 2)}
    for row in chain[4:]:
        metadata(running).delete({name: row[name] for name in ("entityTypeKey", "entityId")})
    assert found() == {("removed", ACME, 5)}
    running.s3.delete_object(Bucket=LAKE, Key=second.key)
    assert [(one.kind, one.anchor) for one in kept.verify().broken] == [("removed", second.key)]


def _number(row: dict[str, Any]) -> str:
    return str(row["entityId"]["S"])


def test_a_failed_verification_is_a_line_once_a_day(running: Platform) -> None:
    tell(running, 4)
    kept, now = store(running), clock.now()
    kept.anchor(now)
    tell(running, 2)
    row = metadata(running).get(
        {"entityTypeKey": {"S": audit.partition(ACME)}, "entityId": {"S": audit.sort_key(5)}}
    )
    assert row is not None
    metadata(running).put({**row, "action": {"S": "keys.revoke"}})
    for _ in range(2):
        assert [(one.kind, one.number) for one in kept.verify_new(now).broken] == [("changed", 5)]
    failed = [line for line in kept.lines("platform") if line.action == "audit.verify-failed"]
    assert len(failed) == 1
    assert orjson.loads(failed[0].detail)["broken"][0]["org"] == ACME


def test_an_anchor_whose_writer_was_killed_is_told_of_by_the_next(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(running)
    kept, now = store(running), clock.now()
    with monkeypatch.context() as killed:
        killed.setattr(AuditStore, "_tell", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            kept.anchor(now)
    assert kept.anchor(now) is None
    told = [line.name for line in kept.lines("platform")]
    assert told == [f"audit/anchors/{clock.day_text(now)}.json"]
    assert kept.verify().broken == []


def test_denied_calls_are_lines_and_a_flood_of_them_a_few(running: Platform) -> None:
    for _ in range(45):
        assert running.get("/v1/events", query={"userId": "u"}, scopes="alerts:read")["status"] == 403
    assert running.post([], scopes="events:read")["status"] == 403
    assert running.call("/v1/predict", b"{}", function="predict", scopes="events:read")["status"] == 403
    assert running.get("/v1/events", query={"userId": "u"}, org=GLOBEX, scopes="")["status"] == 403
    denied = pages(running, action="access.denied")
    counts = [one["detail"]["denials"] for one in reversed(denied)]
    assert counts == [1, 2, 3, 4, 5, 10, 20, 40, 1, 1], "each warm copy counts for itself"
    assert denied[-1]["detail"]["call"] == "GET /v1/events"
    assert denied[-1]["detail"]["why"] == "this credential lacks the right events:read"
    assert denied[-1]["principal"] == f"shop of {ACME}"
    # Neither what is not there, nor who is not known, is a denial.
    running.get("/v1/events/{eventId}", eventId="none")
    assert len(pages(running, action="access.denied")) == len(denied)


def test_who_is_denied_is_denied_also_where_it_cannot_be_written(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> bool:
        raise RetryableError("write audit line: gone")

    monkeypatch.setattr(audit, "write", broken)
    assert running.get("/v1/events", query={"userId": "u"}, scopes="alerts:read")["status"] == 403
