"""What a run says of its high-water mark, and how long it waits for it. Decided without a clock and without AWS."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from millrace.core.table import Table
from millrace.eventstore import positions
from millrace.eventstore.backlog import ArchiveBacklog, Backlog
from millrace.lake.mark import HighWater, pause
from millrace.runs.documents import Mark
from millrace.runs.mark import sentences
from tests.support.stores import MemoryDynamoDB

BEGAN = datetime(2026, 11, 21, 10, 5, tzinfo=UTC)
BEHIND = Backlog({"org_acme": 6325}, "2026-11-21T10:00:00.000Z")


def test_a_run_waits_while_something_is_missing_and_no_longer_than_it_may() -> None:
    looks, waited = 0, 0
    while seconds := pause(BEHIND, looks, 300):
        looks, waited = looks + 1, waited + seconds
    assert (waited, looks) == (300, 25)
    assert pause(BEHIND, 0, 0) == 0


@pytest.mark.parametrize("found", [Backlog(), Backlog({"org_acme": 1}, unknown="capture is DISABLED")])
def test_where_waiting_changes_nothing_it_does_not_wait(found: Backlog) -> None:
    assert pause(found, 0, 300) == 0


def test_a_run_says_what_was_not_archived_by_tenant() -> None:
    mark = Mark("", {"org_acme": 6325, "org_globex": 1})
    assert list(sentences(mark)) == ["6,326 accepted events not yet archived (org_acme 6,325, org_globex 1)"]
    assert list(sentences(Mark("", {"org_acme": 1}))) == ["1 accepted event not yet archived (org_acme 1)"]
    (unknown,) = sentences(Mark("", unknown="the capture of Events into the log is DISABLED"))
    assert unknown.startswith("unknown whether every accepted event is archived: the capture")
    assert list(sentences(Mark(""))) == []


class Log:
    """A stream as boto3 reads it: shards of records, some of them closed."""

    def __init__(self, **shards: list[tuple[int, datetime, Any]]) -> None:
        self.shards = {name.replace("_", "-"): records for name, records in shards.items()}

    def list_shards(self, **_: Any) -> dict[str, Any]:
        return {"Shards": [{"ShardId": name} for name in self.shards]}

    def get_shard_iterator(self, **request: Any) -> dict[str, Any]:
        after = int(request.get("StartingSequenceNumber", -1))
        return {"ShardIterator": f"{request['ShardId']} {after}"}

    def get_records(self, **request: Any) -> dict[str, Any]:
        shard, after = request["ShardIterator"].split()
        left = [one for one in self.shards[shard] if one[0] > int(after)]
        page = left[:2]
        records = [{"ApproximateArrivalTimestamp": at, "Data": orjson.dumps(data)} for _, at, data in page]
        more = len(left) > len(page)
        answer: dict[str, Any] = {"Records": records, "MillisBehindLatest": 1 if more else 0}
        return {**answer, "NextShardIterator": f"{shard} {page[-1][0]}"} if page else answer


class Sources:
    event_stream_arn, events_table, metadata_table = "log", "Events", "Metadata"


class Captured(MemoryDynamoDB):
    status = "ACTIVE"

    def describe_kinesis_streaming_destination(self, **_: Any) -> dict[str, Any]:
        one = {"StreamArn": "log", "DestinationStatus": self.status}
        return {"KinesisDataStreamDestinations": [one]}


def row(event: str, at: datetime, org: str = "org_acme", change: str = "INSERT") -> dict[str, Any]:
    text = f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
    image = {"eventId": {"S": f"{org}#{event}"}, "orgId": {"S": org}, "receivedAt": {"S": text}}
    image["eventType"] = {"S": "order.created"}
    return {"eventName": change, "dynamodb": {"NewImage": image}}


def before(seconds: int) -> datetime:
    return BEGAN - timedelta(seconds=seconds)


def test_the_backlog_is_what_lies_behind_each_shards_position() -> None:
    store, after = Captured(), BEGAN + timedelta(seconds=1)
    log = Log(
        # Settled up to 1; then one twice, one that was removed, one that is not a row, and a tenant that goes on sending.
        shard_0=[
            (1, before(90), row("a", before(90))),
            (2, before(60), row("b", before(60))),
            (3, before(60), row("b", before(60))),
            (4, before(50), row("c", before(50), change="REMOVE")),
            (5, before(40), "no row"),
            (6, after, row("d", after)),
            # Accepted in time, and carried into the log behind one that was not.
            (7, after, row("e", before(1), "org_globex")),
        ],
        # Closed by a split, and settled to its end; one that was never written to.
        shard_1=[(9, before(80), row("f", before(80)))],
        shard_2=[],
    )
    metadata = Table(store, "Metadata")
    positions.record(metadata, "shard-0", "1", before(90))
    positions.record(metadata, "shard-1", "9", before(80))
    found = ArchiveBacklog(log, store, Sources()).read(BEGAN)
    assert found == Backlog(
        {"org_acme": 1, "org_globex": 1}, "2026-11-21T10:04:00.000Z", types={"order.created": 2}
    )
    assert ArchiveBacklog(log, store, Sources()).read(BEGAN, most=1).more


def test_a_shard_that_the_archive_never_came_to_is_not_archived() -> None:
    log = Log(shard_0=[(1, before(9), row("a", before(9)))])
    assert ArchiveBacklog(log, Captured(), Sources()).read(BEGAN).events == {"org_acme": 1}


def test_without_capture_nobody_knows() -> None:
    store = Captured()
    store.status = "DISABLED"
    found = ArchiveBacklog(Log(shard_0=[]), store, Sources()).read(BEGAN)
    assert (found.total, found.unknown) == (0, "the capture of Events into the log is DISABLED")


def test_a_position_only_goes_forward() -> None:
    metadata = Table(Captured(), "Metadata")
    assert positions.record(metadata, "shard-0", "99", BEGAN)
    assert positions.record(metadata, "shard-0", "100", BEGAN)
    # A batch that is fed again.
    assert not positions.record(metadata, "shard-0", "98", BEGAN)
    assert positions.record(metadata, "shard-1", "00007", BEGAN)
    # As the log writes them: one may fill its numbers up with zeros, and compare them as text.
    assert positions.read(metadata) == {"shard-0": "100", "shard-1": "00007"}


def test_a_run_counts_when_it_waits_no_longer() -> None:
    asked: list[int] = []

    class Behind:
        def read(self, mark: datetime, *, most: int = 0) -> Backlog:
            assert mark == BEGAN
            asked.append(most)
            return BEHIND

    water = HighWater(Behind(), wait_seconds=2)
    assert [water.look(BEGAN, looks) for looks in (0, 1)] == [(1, None), (1, None)]
    assert asked == [1, 1]
    seconds, mark = water.look(BEGAN, 2)
    assert seconds == 0
    assert mark is not None
    assert (mark.at, mark.not_archived) == ("2026-11-21T10:05:00.000Z", {"org_acme": 6325})
    assert asked[-1] > 6325
