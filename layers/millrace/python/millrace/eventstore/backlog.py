"""What was accepted and is not archived yet: the records of the log behind the archive's position in each shard.

An event is in the log as soon as it is accepted (`store: none`), or as soon as DynamoDB has carried its row there. So the log
has each of them, whatever its type and its time; who is behind, and by how much, is read from the log itself, and nothing is
written for it. What DynamoDB has not carried yet is in no log: while the table's capture is not ACTIVE, the answer is unknown.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import orjson

from millrace.core import clock
from millrace.core.aws import calling
from millrace.core.errors import MillraceError, in_a_line
from millrace.core.table import Table
from millrace.eventstore import positions
from millrace.eventstore.capture import destination_status

# Of one call; a shard gives 2 MB a second to all who read it.
RECORDS_PER_CALL = 1000
# What is counted at most: beyond it the answer is "at least".
MOST_COUNTED = 50_000
# Arrival is stamped by the log, acceptance by intake; and DynamoDB may carry a row later than others.
_SKEW = timedelta(minutes=5)
_CAPTURING = frozenset({"ACTIVE", "UPDATING"})


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is accepted and not archived.

    Attributes:
        events: tenant → how many.
        types: event type → how many, as far as they are known.
        oldest: when the oldest of them was accepted, UTC text; None where there are none.
        more: whether there are more than were counted.
        unknown: why this may not be all of it; empty: it is.
    """

    events: Mapping[str, int] = field(default_factory=dict)
    oldest: str | None = None
    more: bool = False
    unknown: str = ""
    types: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Of all tenants."""
        return sum(self.events.values())


class BacklogSources(Protocol):
    """The log's ARN, and the names of the tables."""

    @property
    def event_stream_arn(self) -> str: ...
    @property
    def events_table(self) -> str: ...
    @property
    def metadata_table(self) -> str: ...


class ArchiveBacklog:
    """Reads it."""

    def __init__(self, kinesis: Any, dynamodb: Any, sources: BacklogSources) -> None:
        self._kinesis, self._dynamodb = kinesis, dynamodb
        self._stream, self._events = sources.event_stream_arn, sources.events_table
        self._metadata = Table(dynamodb, sources.metadata_table)

    def read(self, mark: datetime, *, most: int = MOST_COUNTED) -> Backlog:
        """What was accepted up to a moment and is not archived. Raises nothing: what cannot be learnt is `unknown`.

        Args:
            mark: the moment.
            most: counts no further; 1 tells whether there is any.
        """
        events: dict[str, tuple[str, str, str]] = {}
        unknown, more = "", False
        try:
            status = destination_status(self._dynamodb, self._events, self._stream)
            if status not in _CAPTURING:
                unknown = f"the capture of {self._events} into the log is {status}"
            settled = positions.read(self._metadata)
            for shard in self._shards():
                for event, org, accepted_at, event_type in self._behind(shard, settled.get(shard), mark):
                    events[event] = org, accepted_at, event_type
                    if len(events) >= most:
                        more = True
                        break
                if more:
                    break
        except MillraceError as error:
            unknown = in_a_line(error)
        return Backlog(
            events=dict(sorted(Counter(org for org, _, _ in events.values()).items())),
            oldest=min((at for _, at, _ in events.values()), default=None),
            more=more,
            unknown=unknown,
            types=dict(Counter(event_type for _, _, event_type in events.values())),
        )

    def _shards(self) -> Iterator[str]:
        """Every shard that has records, those that were split or merged too."""
        request: dict[str, Any] = {"StreamARN": self._stream}
        while True:
            with calling("list shards"):
                page = self._kinesis.list_shards(**request)
            yield from (shard["ShardId"] for shard in page["Shards"])
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]

    def _behind(self, shard: str, settled: str | None, mark: datetime) -> Iterator[tuple[str, str, str, str]]:
        """Key, tenant, moment of acceptance and type of each new row behind a position that was accepted by the mark."""
        start: dict[str, Any] = (
            {"ShardIteratorType": "TRIM_HORIZON"}
            if settled is None
            else {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": settled}
        )
        with calling("read the log"):
            iterator = self._kinesis.get_shard_iterator(StreamARN=self._stream, ShardId=shard, **start)[
                "ShardIterator"
            ]
        text = clock.utc_text(mark)
        while iterator:
            with calling("read the log"):
                page = self._kinesis.get_records(
                    StreamARN=self._stream, ShardIterator=iterator, Limit=RECORDS_PER_CALL
                )
            for record in page["Records"]:
                if record["ApproximateArrivalTimestamp"] > mark + _SKEW:
                    return
                accepted = _accepted(record["Data"])
                if accepted is not None and accepted[2] <= text:
                    yield accepted
            if not page["MillisBehindLatest"]:
                return
            iterator = page.get("NextShardIterator")


def _accepted(data: bytes) -> tuple[str, str, str, str] | None:
    """Key, tenant, moment of acceptance and type of a new row; None for other changes, and for what the archive sets aside."""
    try:
        change = orjson.loads(data)
        if change["eventName"] != "INSERT":
            return None
        row = change["dynamodb"]["NewImage"]
        return row["eventId"]["S"], row["orgId"]["S"], row["receivedAt"]["S"], row["eventType"]["S"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
