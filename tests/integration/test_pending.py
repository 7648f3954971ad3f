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
