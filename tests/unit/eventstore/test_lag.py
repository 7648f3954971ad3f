"""What is archived and not in silver, and what the command line says of it."""

from datetime import UTC, datetime, timedelta

from cli.lag import Lag
from millrace.core.table import Table
from millrace.eventstore import pending, receipts, silver
from millrace.eventstore.backlog import Backlog
from millrace.eventstore.lag import not_in_silver
from tests.support.stores import MemoryDynamoDB

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
ACME, GLOBEX, DAY = "org_acme", "org_globex", "2026-11-20"


def archived(metadata: Table, org: str, name: str, at: datetime, ids: int) -> str:
    """A batch as the archive leaves it; its object."""
    place = receipts.place(at, "shard-0", name, name)
    key = f"s3://lake/org={org}/category=business-events/{name}"
    types = tuple("order.paid" if number % 1000 == 999 else "order.created" for number in range(ids))
    receipt = receipts.Receipt(
        org, receipts.MANIFEST, DAY, place, at, ("0" * 32,) * ids, "1", 0, key, 1, types
    )
    metadata.write_all([*receipts.to_items(receipt), receipts.object_item(receipt, key)])
    metadata.write_all(pending.to_items([(org, DAY)], pending.new_token(), at))
    return key


def test_what_no_receipt_of_silver_names_is_not_in_silver() -> None:
    metadata = Table(MemoryDynamoDB(), "Metadata")
    taken = archived(metadata, ACME, "1", AT - timedelta(hours=2), 5)
    archived(metadata, ACME, "2", AT - timedelta(minutes=3), 2001)
    archived(metadata, GLOBEX, "3", AT, 1)
    receipt = silver.SilverReceipt(ACME, DAY, "silver.a", "run", "2026-11-21T08:00:00Z", 1, "a", "1", [taken])
    metadata.write_all(silver.to_items(receipt))
    types = {"order.created": 2000, "order.paid": 2}
    oldest = "2026-11-21T09:57:00.000Z"
    assert not_in_silver(metadata) == Backlog({ACME: 2001, GLOBEX: 1}, oldest, types=types)
    assert (
        not_in_silver(metadata, before=DAY)
        == not_in_silver(metadata, without=["business-events"])
        == Backlog()
    )
    assert not_in_silver(metadata, before="2026-11-21", without=["ml-events"]).events == {
        ACME: 2001,
        GLOBEX: 1,
    }
    assert not_in_silver(metadata, GLOBEX).events == {GLOBEX: 1}
    assert not_in_silver(metadata, "org_a").events == {}
    # A day that is marked although a run took all of it in is behind by nothing.
    assert not_in_silver(Table(MemoryDynamoDB(), "Metadata")) == Backlog()


def test_lag_is_said_in_events_and_time_by_tenant() -> None:
    behind = Lag(
        Backlog({ACME: 6325, GLOBEX: 1}, "2026-11-21T09:57:00.000Z"),
        Backlog(unknown="read manifest: throttled"),
    )
    assert behind.sentences(AT) == [
        "6,326 accepted events not yet archived (org_acme 6,325, org_globex 1), the oldest for 3 minutes",
        "unknown how many archived events are not yet in silver: read manifest: throttled",
    ]
    hour = timedelta(hours=1)
    assert behind.late(AT, archive=hour, silver=hour) == {"silver"}
    assert behind.late(AT, archive=timedelta(minutes=2), silver=hour) == {"archive", "silver"}
    other = Lag(behind.archive, Backlog()).of("org_initech")
    assert (other.sentences(AT), other.late(AT, archive=hour, silver=hour)) == ([], set())
    tables = {
        ACME: {"marts.a": "2026-11-21T08:00:00Z", "marts.b": "2026-11-21T09:00:00Z"},
        GLOBEX: {"marts.a": "2026-11-21T09:00:00Z"},
    }
    older = Lag(Backlog(), Backlog(), tables)
    assert older.of_tables(AT) == [
        "2 tables are older than what they are made of (org_acme 2, org_globex 1), for 2 hours at most"
    ]
    assert older.of(GLOBEX).of_tables(AT) == [
        "1 table is older than what it is made of (org_globex 1), for 60 minutes at most"
    ]
    assert (older.sentences(AT), Lag(Backlog(), Backlog()).of_tables(AT)) == ([], [])
    assert older.to_json(AT)["silverToTables"] == {
        "byOrg": {ACME: ["marts.a", "marts.b"], GLOBEX: ["marts.a"]},
        "seconds": 7200,
    }
    assert behind.to_json(AT)["acceptedToArchived"] == {
        "events": 6326,
        "byOrg": {ACME: 6325, GLOBEX: 1},
        "byType": {},
        "seconds": 180,
        "unknown": None,
    }
    types = dict.fromkeys("hgfedc", 1) | {"order.created": 4_000}
    (sentence,) = Lag(Backlog({ACME: 4_006}, types=types), Backlog()).sentences(AT)
    assert sentence.endswith("(org_acme 4,006): order.created 4,000, c 1, d 1, e 1, f 1 and 2 more types")
