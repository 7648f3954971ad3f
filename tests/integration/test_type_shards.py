"""Events of a type that are spread over more and more shards: lists, repairs and rebuilt tables have each of them once."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.compare import TableComparison
from cli.rebuild import Rebuild
from millrace.contracts import registry
from millrace.core import clock, keys
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import cursor as cursors
from millrace.eventstore.codec import Codec
from tests.support import events
from tests.support.platform import ACME, GLOBEX, LAKE, Platform, ids, platform
from tests.support.reconciling import World, order, words

LIST, TYPE = "/v1/events", "order.created"


@pytest.fixture
def running(bundle: Path) -> Iterator[Platform]:
    with platform(bundle) as found:
        yield found


@pytest.fixture
def in_memory(bundle: Path) -> Iterator[Platform]:
    with platform(bundle, in_memory=True) as found:
        yield found


def deploy(running: Platform, monkeypatch: pytest.MonkeyPatch, shards: int, *stems: str) -> None:
    """Puts new copies of functions into place; they read their settings at once."""
    monkeypatch.setenv("TYPE_SHARDS", str(shards))
    for stem in stems:
        running.functions[stem] = running.functions[stem].restarted()  # type: ignore[attr-defined]
    if "post_events" in stems:
        running.post([])
    if "read_api" in stems:
        running.get("/v1/health")


def send(running: Platform, count: int, org: str, at: str) -> list[dict[str, Any]]:
    """Orders on three moments of one second."""
    made = [events.order(timestamp=f"{at}.00{number % 3}Z") for number in range(count)]
    for start in range(0, count, 500):
        answer = running.post(made[start : start + 500], org=org)["body"]
        assert answer["accepted"] == len(made[start : start + 500])
    return made


def newest_first(made: list[dict[str, Any]]) -> list[str]:
    return ids(sorted(made, key=lambda one: (clock.parse(one["timestamp"]), one["eventId"]), reverse=True))


def shards_of(running: Platform, org: str) -> Counter[str]:
    rows = (row for row in running.rows("Events") if row["orgId"]["S"] == org)
    return Counter(row["typeKey"]["S"] for row in rows)


def second(minutes: int) -> str:
    return (clock.now() - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S")


def test_thousands_of_events_are_listed_once_while_shards_are_added(
    in_memory: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = in_memory
    deploy(running, monkeypatch, 1, "post_events", "read_api")
    # Newest first, so what is written last, and into most shards, comes at the end.
    made = send(running, 1200, ACME, second(5))
    others = send(running, 60, GLOBEX, second(5))
    collected: list[str] = []
    query = {"eventType": TYPE, "limit": "400"}
    for shards, older in ((1, 0), (4, 900), (8, 900), (8, 0)):
        page = running.get(LIST, query=query)["body"]
        collected += ids(page["items"])
        query["cursor"] = page["cursor"]
        if older:
            old_post = running.functions["post_events"]
            deploy(running, monkeypatch, shards, "post_events", "read_api")
            new_post = running.functions["post_events"]
            for post, minutes in ((new_post, 6), (old_post, 7), (new_post, 8)):
                # Old functions still write for a while.
                running.functions["post_events"] = post
                made += send(running, older // 3, ACME, second(minutes + shards))
            running.functions["post_events"] = new_post
            others += send(running, 30, GLOBEX, second(shards + 6))
    while query["cursor"]:
        page = running.get(LIST, query=query)["body"]
        collected += ids(page["items"])
        query["cursor"] = page["cursor"]
    assert len(made) == 3000
    assert collected == newest_first(made)
    theirs = running.get(LIST, org=GLOBEX, query={"eventType": TYPE, "limit": "500"})["body"]
    assert ids(theirs["items"]) == newest_first(others)
    assert set(shards_of(running, ACME)) == {f"{ACME}#{TYPE}#{shard}" for shard in range(8)}


def test_other_indexes_do_not_change(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """On moto's tables, whose indexes are DynamoDB's own."""
    at = second(5)
    deploy(running, monkeypatch, 1, "post_events")
    made = send(running, 20, ACME, at)
    deploy(running, monkeypatch, 4, "post_events", "read_api")
    made += send(running, 60, ACME, at)
    running.settle()
    assert len(shards_of(running, ACME)) == 4
    for name, value in {
        "eventType": TYPE,
        "userId": "usr_4711",
        "correlationId": "checkout-17",
        "sessionId": "ses_17",
    }.items():
        first = running.get(LIST, query={name: value, "limit": "30"})["body"]
        second_page = running.get(LIST, query={name: value, "cursor": first["cursor"], "limit": "90"})["body"]
        assert ids([*first["items"], *second_page["items"]]) == newest_first(made), name
        assert second_page["cursor"] is None
    since, until = f"{at}.001Z", f"{at}.002Z"
    between = running.get(LIST, query={"eventType": TYPE, "from": since, "to": until})["body"]
    assert ids(between["items"]) == newest_first([one for one in made if one["timestamp"] == since])


def test_an_event_that_is_sent_a_second_time_stays_where_it_is(
    in_memory: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = in_memory
    deploy(running, monkeypatch, 2, "post_events", "read_api")
    made = send(running, 40, ACME, second(5))
    before = running.rows("Events")
    deploy(running, monkeypatch, 8, "post_events")
    assert running.post(made)["body"]["duplicates"] == 40
    assert running.rows("Events") == before


def test_cursors_are_as_opaque_as_before(in_memory: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    running = in_memory
    deploy(running, monkeypatch, 4, "post_events", "read_api")
    send(running, 6, ACME, second(5))
    cursor = running.get(LIST, query={"eventType": TYPE, "limit": "3"})["body"]["cursor"]
    query = {"call": f"GET {LIST}", "given": {"eventType": TYPE}}
    position = cursors.decode(ACME, query, cursor)
    assert "#" in position
    for broken in (
        cursor[:-2],
        "x",
        cursors.encode(GLOBEX, query, position),
        cursors.encode(ACME, query, "2"),
    ):
        assert running.get(LIST, query={"eventType": TYPE, "cursor": broken})["status"] == 400


def test_reconciliation_reads_every_shard(in_memory: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(in_memory)
    for shards in (1, 4):
        deploy(in_memory, monkeypatch, shards, "post_events")
        for org in (ACME, GLOBEX):
            assert in_memory.post([order(3) for _ in range(40)], org=org)["status"] == 202
    world.settle()
    gap = [order(4) for _ in range(12)]
    world.without_capture(gap, ACME)
    assert len(shards_of(in_memory, ACME)) == 4
    report = world.look(world.made(type_shards=4))
    assert "open" not in words(report)
    assert report.to_json()["events"]["repaired"] == len(gap)
    assert report.missing["manifest"] == len(gap)
    assert report.to_json()["counts"]["events"] == 160 + len(gap)
    world.carry()
    world.later()
    world.silver.run()
    assert set(words(world.look(world.made(type_shards=4)))) == {"equal"}


def test_a_rebuilt_table_has_the_shards_of_today(
    in_memory: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = in_memory
    running.dynamodb.schemas["Again"] = running.dynamodb.schemas["Events"]
    for shards in (1, 2):
        deploy(running, monkeypatch, shards, "post_events")
        send(running, 40, ACME, second(5))
        send(running, 10, GLOBEX, second(5))
    running.settle()
    first, again = Table(running.dynamodb, "Events"), Table(running.dynamodb, "Again")
    contracts = registry.load()
    lake = Objects(running.s3, LAKE)
    work = Rebuild(lake, contracts, table="Events", into=again, original=first, type_shards=4)
    assert work.run() == 100
    for row in running.rows("Again"):
        shard = keys.shard_of(row["eventId"]["S"].partition("#")[2], 4)
        assert row["typeKey"]["S"] == f"{row['orgId']['S']}#{TYPE}#{shard}"
    comparison = TableComparison(Codec(contracts.dictionary), first, again, ("eventId",))
    assert comparison.different() == 0
    # Another type or tenant in the key is a difference.
    row = running.rows("Again")[0]
    running.dynamodb.put_item(TableName="Again", Item={**row, "typeKey": {"S": f"{ACME}#order.paid#0"}})
    assert comparison.different() == 1
