"""What all stream consumers have in common: decode, drop what is not new, hand over, set poison aside.

Poison (a record that can never succeed, or whose handling raises something unexpected) goes to the consumer's
dead letters with its reason and counts as done. If a dependency fails, the consumer raises and the batch is delivered again.
So it is for a while with what names a contract or a dictionary that is not deployed here: the deploy may be under way.

A batch is handed over in parts whose bodies are bounded together, because the stream bounds only their packed form:
500 events of 256 KB fit into 1 MB, and a function that runs out of memory is killed before it can set anything aside.
"""

import base64
import binascii
import gc
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock
from millrace.core.errors import NotDeployedError, PermanentError, RetryableError, from_client_error
from millrace.core.objects import Objects
from millrace.core.prefixes import DEAD_LETTERS

Record = Mapping[str, Any]
# Of bodies, unpacked, that are handled together. Parsed, they take up to some 35 times as much.
BYTES_AT_ONCE = 8 * 1024 * 1024
# What `millrace redrive` marks its records with, for consumers whose work is of the moment.
REDRIVEN = "redriven"
# How long after its arrival a record waits for the deploy of what it needs; then it is poison, which can be redriven.
DEPLOY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One new row, as the log or the table's stream delivered it."""

    item: Mapping[str, Mapping[str, Any]]
    shard: str
    sequence: str
    arrived_at: datetime
    record: Record


class DeadLetters(Protocol):
    """Where poison goes."""

    def put(self, record: Record, place: str, arrived_at: datetime, reason: str) -> None:
        """Keeps a record with its reason, or raises RetryableError."""
        ...


class LakeDeadLetters:
    """Dead letters of one consumer in the lake, one object a record; a second delivery overwrites the first."""

    def __init__(self, lake: Objects, consumer: str) -> None:
        self._lake, self._consumer = lake, consumer

    def put(self, record: Record, place: str, arrived_at: datetime, reason: str) -> None:
        """Keeps a record.

        Raises:
            RetryableError: the record is not kept; it must be delivered again.
        """
        day = clock.day_text(arrived_at)
        key = f"{DEAD_LETTERS}{self._consumer}/day={day}/{place}.json"
        body = orjson.dumps({"consumer": self._consumer, "reason": reason, "record": record})
        try:
            self._lake.put(key, body, content_type="application/json", doing="keep dead letter")
        except PermanentError as error:
            raise RetryableError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Consumed:
    """What became of a batch, counted."""

    delivered: int
    handled: int
    dead: int


class BatchError(RetryableError):
    """A dependency failed. What stands before `record` in the batch is handled or set aside."""

    def __init__(self, message: str, record: Record) -> None:
        super().__init__(message)
        self.record = record


class Consumer:
    """Runs a capability's function over the batches of one event source mapping."""

    def __init__(
        self,
        handle: Callable[[Sequence[Delivery]], None],
        dead_letters: DeadLetters,
        log: Callable[[str], None] = lambda _: None,
        size: Callable[[Mapping[str, Mapping[str, Any]]], int] = lambda _: 0,
        event_types: Collection[str] = (),
        settled: Callable[[str, str, datetime], object] | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """Makes a consumer.

        Args:
            handle: what is done with a batch, or with a part of one.
            dead_letters: take what can never succeed.
            log: takes a line for each of those.
            size: bytes of a row's body, unpacked.
            event_types: the only types that are handed over; empty: all. For a consumer that shares its function, whose
                mapping delivers what any of them reads.
            settled: takes shard, sequence number and arrival of the last record of a batch, once each of its records is
                handled or set aside.
            now: the clock.
        """
        self._now, self._settled = now, settled
        self._handle, self._dead_letters, self._log, self._size = handle, dead_letters, log, size
        self._event_types = frozenset(event_types)
        self._dead = 0
        self._unfinished: Record = {}

    def consume(self, event: Mapping[str, Any]) -> Consumed:
        """Handles a batch as Lambda delivers it from Kinesis or from a table's stream.

        Raises:
            BatchError: a dependency failed; Lambda delivers the batch again.
        """
        records: Sequence[Record] = event["Records"]
        self._dead, self._unfinished = 0, records[0] if records else {}
        try:
            deliveries = [delivery for record in records for delivery in self._decode(record)]
            with uncollected():
                for part in self._parts(deliveries):
                    self._deliver(part)
            if records:
                self._settle(records[-1])
        except RetryableError as error:
            raise BatchError(str(error), self._unfinished) from error
        return Consumed(len(records), len(deliveries), self._dead)

    def _settle(self, last: Record) -> None:
        # A record without a number was set aside like any other; the next batch has one.
        with suppress(KeyError, TypeError):
            if self._settled is not None:
                self._settled(_shard(last), sequence_number(last), _day_of(last))

    def _decode(self, record: Record) -> Iterator[Delivery]:
        try:
            delivery = decode(record)
        except PermanentError as error:
            self._set_aside(record, _place(record), _day_of(record), str(error))
            return
        if delivery is not None and self._reads(delivery):
            yield delivery

    def _reads(self, delivery: Delivery) -> bool:
        """Whether the item is of a type that is handled here. One that has no type is: to be set aside."""
        item: Any = delivery.item
        kind = item.get("eventType") if isinstance(item, dict) else None
        name = kind.get("S") if isinstance(kind, dict) else None
        return not self._event_types or name is None or name in self._event_types

    def _parts(self, deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
        """The deliveries in order, in parts of bounded size; the same batch has the same parts."""
        part: list[Delivery] = []
        held = 0
        for delivery in deliveries:
            size = self._size(delivery.item)
            if part and held + size > BYTES_AT_ONCE:
                yield part
                part, held = [], 0
            part.append(delivery)
            held += size
        if part:
            yield part

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Handles a batch; one that raises is halved until the record that raises stands alone."""
        # Parts and halves come in the batch's order, so whatever stands before this one is done.
        self._unfinished = deliveries[0].record
        try:
            self._handle(deliveries)
        except RetryableError:
            raise
        except (ClientError, BotoCoreError) as error:
            raise from_service(error) from error
        except Exception as error:
            if len(deliveries) > 1:
                middle = len(deliveries) // 2
                self._deliver(deliveries[:middle])
                self._deliver(deliveries[middle:])
                return
            only = deliveries[0]
            if isinstance(error, NotDeployedError) and self._now() - only.arrived_at < DEPLOY:
                raise RetryableError(f"not deployed here yet: {error}") from error
            reason = "".join(traceback.format_exception_only(error)).strip()
            self._set_aside(only.record, f"{only.shard}-{only.sequence}", only.arrived_at, reason)

    def _set_aside(self, record: Record, place: str, arrived_at: datetime, reason: str) -> None:
        self._dead_letters.put(record, place, arrived_at, reason)
        self._dead += 1
        self._log(f"dead letter {place}: {reason}")


@contextmanager
def uncollected() -> Iterator[None]:
    """Pauses the collector of cycles for a batch.

    A batch holds some tens of thousands of objects until its end and makes no cycle. To look at them meanwhile frees
    nothing, and sets off collections of the whole process, each some tens of milliseconds.
    """
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


def from_service(error: Exception) -> RetryableError:
    """A service's error that no adapter mapped: the dependency is taken as failing, so that nothing is lost."""
    return RetryableError(str(from_client_error(error, "handle batch")))


def decode(record: Record) -> Delivery | None:
    """The new row of a record; None for a change that is not an insert (a row that expired, say).

    Raises:
        PermanentError: this is not a change record of the Events table, nor a direct record in its form.
    """
    try:
        change = _change(record)
        if change.get("eventName") != "INSERT":
            return None
        return Delivery(
            change["dynamodb"]["NewImage"], _shard(record), sequence_number(record), _arrival(record), record
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, binascii.Error) as error:
        raise PermanentError(f"no change record: {type(error).__name__}: {error}") from error


def _change(record: Record) -> Mapping[str, Any]:
    if "kinesis" not in record:
        return record
    change = orjson.loads(base64.b64decode(record["kinesis"]["data"], validate=True))
    if not isinstance(change, dict):
        raise TypeError("the data is not a JSON object")
    return change


def _shard(record: Record) -> str:
    # Only Kinesis names the shard, in the event id: shardId-000000000000:<sequence>.
    identifier = str(record.get("eventID", ""))
    return identifier.partition(":")[0] if "kinesis" in record else "table"


def sequence_number(record: Record) -> str:
    """A record's number in its shard, by which Lambda is told where to begin again."""
    if "kinesis" in record:
        return str(record["kinesis"]["sequenceNumber"])
    return str(record["dynamodb"]["SequenceNumber"])


def _arrival(record: Record) -> datetime:
    if "kinesis" in record:
        seconds = record["kinesis"].get("approximateArrivalTimestamp", 0)
    else:
        seconds = record.get("dynamodb", {}).get("ApproximateCreationDateTime", 0)
    return datetime.fromtimestamp(float(seconds), UTC)


def _day_of(record: Record) -> datetime:
    """When a record came that cannot be read: where even that cannot be, it is kept below the first day of 1970."""
    try:
        return _arrival(record)
    except (AttributeError, TypeError, ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _place(record: Record) -> str:
    try:
        return f"{_shard(record)}-{sequence_number(record)}"
    except (KeyError, TypeError):
        return str(record.get("eventID", "unknown")).replace(":", "-").replace("/", "-")
