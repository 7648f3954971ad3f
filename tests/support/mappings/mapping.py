"""One event source mapping: polls its source, hands batches to its function, settles each record."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.support.mappings.answers import Outcome, read_answer
from tests.support.mappings.context import FunctionContext
from tests.support.mappings.destinations import Condition, invocation_record
from tests.support.mappings.faults import Backoff, Crash, Faults
from tests.support.mappings.lanes import Batch, Lane, ShardReader
from tests.support.mappings.patterns import FilterCriteria
from tests.support.mappings.settings import INFINITE, MappingSettings
from tests.support.mappings.shards import EventSource, Shard, StreamRecord
from tests.support.mappings.statistics import Invocation, MappingStatistics

Handler = Callable[[dict[str, Any], Any], Any]


class EventSourceMapping:
    """The state of one mapping. Tests use it through :class:`MappingDriver`."""

    def __init__(
        self,
        name: str,
        source: EventSource,
        handler: Handler,
        settings: MappingSettings,
        *,
        faults: Faults,
        backoff: Backoff,
        rng: random.Random,
    ) -> None:
        """Create the mapping at the source's present state.

        Raises:
            InvalidPatternError: AWS would refuse a filter.
        """
        self.name, self.source, self.handler, self.settings = name, source, handler, settings
        self.faults, self.backoff, self.rng = faults, backoff, rng
        self.statistics = MappingStatistics()
        self.mapping_id = self._unique()
        self.filters = FilterCriteria(settings.filter_criteria, source.filter_keys)
        self._settled: set[tuple[str, str]] = set()
        self._readers = {
            shard.shard_id: ShardReader.at_start(source, shard, settings) for shard in source.shards.values()
        }

    def poll(self) -> None:
        """Read every shard whose parents are settled.

        Source: Kinesis Data Streams Developer Guide, "Reshard a stream", "Change routing, persistence and
        shard state after a reshard": parents first, for order; DynamoDB Developer Guide, "Change data capture
        for DynamoDB Streams", "Reading and processing a stream": a parent shard before its children; Lambda
        does so by itself. A shard that appears later is read from its start, also under LATEST.
        """
        self.source.settle()
        for shard in self.source.shards.values():
            reader = self._readers.setdefault(
                shard.shard_id, ShardReader(self.source, shard, self.settings, 0)
            )
            if all(self._readers[parent].finished for parent in shard.parents):
                reader.poll(self._admit)

    def waiting(self) -> list[tuple[datetime, ShardReader, Lane]]:
        """Return each lane that has something to hand over, with when."""
        lanes: list[tuple[datetime, ShardReader, Lane]] = []
        for reader in self._readers.values():
            for lane in reader.lanes:
                moment = reader.ready_at(lane)
                if moment is not None:
                    lanes.append((moment, reader, lane))
        return lanes

    def deliver(self, reader: ShardReader, lane: Lane) -> None:
        """Hand the lane's next batch to the function, once, and settle what its answer says."""
        batch = reader.take(lane)
        self._drop_old(reader.shard, batch)
        if not batch.records:
            return
        now = self.source.clock.now()
        numbers = tuple(record.sequence_number for record in batch.records)
        request_id = self._unique()
        batch.invocations += 1
        age = (now - batch.records[-1].arrived_at).total_seconds() * 1000
        counted = self.statistics
        counted.invocations += 1
        counted.delivered += len(numbers)
        # Lambda Developer Guide, "Types of metrics for Lambda functions", IteratorAge: the age of the last
        # record in the event.
        counted.iterator_age_ms = age
        counted.maximum_iterator_age_ms = max(age, counted.maximum_iterator_age_ms)
        outcome = self._call(self._event(reader.shard, batch), request_id, numbers)
        counted.history.append(
            Invocation(
                now,
                request_id,
                reader.shard.shard_id,
                lane.number,
                numbers,
                outcome.checkpoint,
                outcome.error,
            )
        )
        if outcome.error is not None:
            counted.failed += 1
            self._retry(reader.shard, lane, batch, request_id)
        else:
            self._checkpoint(reader.shard, lane, batch, outcome.checkpoint, request_id)

    def redeliver(self, batches: int) -> None:
        """Go back to an older checkpoint: hand each lane's last finished batches over again, in order."""
        for reader in self._readers.values():
            for lane in reader.lanes:
                last = lane.finished[-batches:]
                del lane.finished[-batches:]
                for batch in reversed(last):
                    lane.work.appendleft(Batch(batch.records, self.source.clock.now()))

    def _call(self, event: dict[str, Any], request_id: str, numbers: tuple[str, ...]) -> Outcome:
        if self.rng.random() < self.faults.crash_before:
            return Outcome(0, "Crash before the handler ran")
        try:
            answer = self.handler(event, FunctionContext(self.name, request_id))
        except (Exception, Crash, SystemExit) as error:  # noqa: BLE001  # to Lambda every error is the function's
            return Outcome(0, f"{type(error).__name__}: {error}")
        if self.rng.random() < self.faults.crash_after:
            return Outcome(0, "Crash after the handler ran")
        return read_answer(answer, numbers, partial_answers=self.settings.partial_answers)

    def _checkpoint(self, shard: Shard, lane: Lane, batch: Batch, place: int, request_id: str) -> None:
        """Settle what is before the checkpoint; the rest comes again.

        Source: "Configuring partial batch response with Kinesis Data Streams and Lambda", "Report syntax"
        (everything from the checkpoint on is retried) and "Bisecting a batch" (with
        BisectBatchOnFunctionError the batch is split at the returned sequence number and only the remaining
        records are retried). A split does not use up an attempt ("Retain discarded batch records …"); an
        answer that names the first record splits nothing, so that the whole batch is an attempt.
        """
        finished, rest = batch.records[:place], batch.records[place:]
        self.statistics.done += self._settle(shard, finished)
        if finished:
            lane.finished.append(Batch(finished, batch.ready_at))
        if rest:
            self.statistics.failed += 1
            remaining = Batch(rest, batch.ready_at, batch.invocations, batch.failures)
            if self.settings.bisect_batch_on_function_error and finished:
                remaining.ready_at = self._next_try(batch)
                lane.work.appendleft(remaining)
            else:
                self._use_attempt(shard, lane, remaining, request_id)
        elif self.rng.random() < self.faults.duplicate_delivery:
            lane.finished.pop()
            lane.work.appendleft(Batch(batch.records, self.source.clock.now()))

    def _retry(self, shard: Shard, lane: Lane, batch: Batch, request_id: str) -> None:
        """Bring a failed batch back, in halves when the mapping bisects.

        Source: AWS Lambda Developer Guide, "Retain discarded batch records for a Kinesis Data Streams event
        source in Lambda", first section: BisectBatchOnFunctionError splits a failed batch in two, which does
        not consume the retry quota. The shard (here: the lane) waits until the batch is settled.
        """
        if self.settings.bisect_batch_on_function_error and len(batch.records) > 1:
            middle = len(batch.records) // 2
            for half in (batch.records[middle:], batch.records[:middle]):
                lane.work.appendleft(Batch(half, self._next_try(batch), batch.invocations, batch.failures))
        else:
            self._use_attempt(shard, lane, batch, request_id)

    def _use_attempt(self, shard: Shard, lane: Lane, batch: Batch, request_id: str) -> None:
        """Retry the batch as it is, or give it up when MaximumRetryAttempts retries have failed."""
        batch.failures += 1
        limit = self.settings.maximum_retry_attempts
        if limit != INFINITE and batch.failures > limit:
            self._discard(shard, batch, batch.records, "RetryAttemptsExhausted", request_id)
        else:
            batch.ready_at = self._next_try(batch)
            lane.work.appendleft(batch)

    def _drop_old(self, shard: Shard, batch: Batch) -> None:
        """Drop the batch's first records that are too old, before a try.

        Source: "CreateEventSourceMapping", MaximumRecordAgeInSeconds ("Discard records older than the
        specified age"), and "Retain discarded batch records …": retried until the records expire or exceed
        the maximum age. What the stream itself dropped is not promised to reach the destination, so here it
        does not: a consumer must not count on it.
        """
        now, limit = self.source.clock.now(), self.settings.maximum_record_age_in_seconds
        old = [limit != INFINITE and now - r.arrived_at > timedelta(seconds=limit) for r in batch.records]
        aged = old.index(False) if False in old else len(old)
        self._discard(shard, batch, batch.records[:aged], "RecordAgeExceeded", self._unique())
        rest = batch.records[aged:]
        batch.records = [record for record in rest if not self.source.expired(record)]
        lost = [record for record in rest if self.source.expired(record)]
        self._lose(shard, lost)

    def _discard(
        self, shard: Shard, batch: Batch, records: list[StreamRecord], condition: Condition, request_id: str
    ) -> None:
        """Give records up and tell the destination."""
        if not records:
            return
        self.statistics.discarded[condition] += self._settle(shard, records)
        if self.settings.on_failure is None:
            return
        document = invocation_record(
            condition,
            self.source,
            shard,
            records,
            context=FunctionContext(self.name, request_id),
            invocations=batch.invocations,
        )
        event = self._event(shard, Batch(records, batch.ready_at))
        self.settings.on_failure.receive(
            document, event, mapping_id=self.mapping_id, shard_id=shard.shard_id, unique=self._unique()
        )

    def _admit(self, shard: Shard, record: StreamRecord) -> bool:
        """Whether a record that was just read goes to the function.

        Source: "Control which events Lambda sends to your function": a record that no filter matches is
        discarded, and the stream's iterator advances past it ("… with a Kinesis event source").
        """
        if self.source.expired(record):
            self._lose(shard, [record])
            return False
        if not self.filters.pass_on(self.source.filter_document(shard, record)):
            self.statistics.filtered += self._settle(shard, [record])
            return False
        return True

    def _lose(self, shard: Shard, records: list[StreamRecord]) -> None:
        if records:
            self.statistics.discarded["Expired"] += self._settle(shard, records)

    def _settle(self, shard: Shard, records: list[StreamRecord]) -> int:
        """Mark records as settled; return how many were not before."""
        new = {(shard.shard_id, record.sequence_number) for record in records} - self._settled
        self._settled |= new
        return len(new)

    def _event(self, shard: Shard, batch: Batch) -> dict[str, Any]:
        return {"Records": [self.source.lambda_record(shard, record) for record in batch.records]}

    def _next_try(self, batch: Batch) -> datetime:
        return self.source.clock.now() + self.backoff.wait(batch.invocations)

    def _unique(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
