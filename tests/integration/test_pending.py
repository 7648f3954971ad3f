"""What waits for a run: written by the archive, read whole, cleared only if nothing came since."""

from datetime import UTC, datetime

from millrace.core.table import Table
from millrace.eventstore import pending
from millrace.eventstore.pending import Pending
from tests.support.platform import ACME, GLOBEX, Platform

AT = datetime(2026, 11, 21, 6, tzinfo=UTC)
DAY = "2026-11-21"


def mark(running: Platform, token: str, *touched: tuple[str, str]) -> None:
    Table(running.dynamodb, "Metadata").write_all(pending.to_items(touched, token, AT))


def test_what_came_since_the_plan_stays_pending(running: Platform) -> None:
    mark(running, "first", (ACME, DAY), (GLOBEX, DAY), (ACME, DAY))
    planned = {(row.org, row.day): row.token for row in pending.read(Table(running.dynamodb, "Metadata"))}
    assert set(planned) == {(ACME, DAY), (GLOBEX, DAY)}
    mark(running, "second", (ACME, DAY))
    for (org, day), token in planned.items():
        cleared = pending.clear(Table(running.dynamodb, "Metadata"), org, day, token)
        assert cleared == (org == GLOBEX)
    left = Pending(ACME, DAY, "second", "2026-11-21T06:00:00.000Z")
    assert pending.read(Table(running.dynamodb, "Metadata")) == [left]
    assert pending.clear(Table(running.dynamodb, "Metadata"), ACME, DAY, left.token)
    assert not pending.clear(Table(running.dynamodb, "Metadata"), ACME, DAY, left.token)
    assert pending.read(Table(running.dynamodb, "Metadata")) == []


def test_more_than_a_page(running: Platform) -> None:
    orgs = [f"org_{number:05}_{'x' * 200}" for number in range(4000)]
    mark(running, "one", *((org, DAY) for org in orgs))
    assert [row.org for row in pending.read(Table(running.dynamodb, "Metadata"))] == orgs


def test_the_archive_marks_what_it_wrote(running: Platform) -> None:
    from tests.support import events

    running.post([events.order()])
    running.settle()
    (row,) = pending.read(Table(running.dynamodb, "Metadata"))
    assert row.org == ACME


def test_days_are_spread_and_one_of_before_is_read_and_cleared(running: Platform) -> None:
    metadata = Table(running.dynamodb, "Metadata")
    orgs = [f"org_{number:03}" for number in range(100)]
    mark(running, "one", *((org, DAY) for org in orgs))
    marked = {row["entityTypeKey"]["S"] for row in running.rows("Metadata") if "token" in row}
    assert marked == {f"platform#pending#{shard}" for shard in range(8)}
    # As it was written when there was one shard: nothing else marks that day, or something else does, too.
    old = {"entityTypeKey": {"S": "platform#pending#0"}, "day": {"S": DAY}, "at": {"S": "2026"}}
    elsewhere = next(org for org in orgs if len(pending.keys_of(org, DAY)) > 1)
    for org in ("org_old", elsewhere):
        row = {**old, "entityId": {"S": f"{org}#{DAY}"}, "orgId": {"S": org}, "token": {"S": "old"}}
        running.dynamodb.put_item(TableName="Metadata", Item=row)
    planned = pending.read(metadata)
    assert [row.org for row in planned] == [*orgs, "org_old"], "each day once"
    assert all(pending.clear(metadata, row.org, row.day, row.token) for row in planned)
    # The other row of the day keeps it pending until the next run.
    (left,) = pending.read(metadata)
    assert (left.org, left.token) == (elsewhere, "old")
    assert pending.clear(metadata, left.org, left.day, left.token)
    assert pending.read(metadata) == []
