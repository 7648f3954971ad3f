"""A standard SQS queue and its mapping, in memory: visibility, partial answers, dead letters."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.mappings.answers import read_answer
from tests.support.mappings.clock import ManualClock
from tests.support.mappings.context import FunctionContext
from tests.support.mappings.faults import NO_FAULTS, Crash, Faults
from tests.support.mappings.passages import QUEUE
from tests.support.mappings.settings import REPORT_BATCH_ITEM_FAILURES
from tests.support.mappings.shards import ACCOUNT, REGION


@dataclass(slots=True)
class Message:
    """One message; ``visible_at`` moves forward with every receive."""

    message_id: str
    body: str
    sent_at: datetime
    visible_at: datetime
    receives: int = 0


@dataclass(slots=True)
class Queue:
    """A standard queue. ``dead`` is its dead-letter queue, where a message goes instead of a further receive.

    Source: Amazon SQS Developer Guide, "Using dead-letter queues in Amazon SQS" (``maxReceiveCount``) and "Amazon SQS
    visibility timeout".
    """

    name: str
    clock: ManualClock
    visibility: timedelta = timedelta(seconds=30)
    max_receives: int | None = None
    messages: list[Message] = field(default_factory=list)
    dead: list[Message] = field(default_factory=list)

    def send(self, body: str, *, message_id: str | None = None) -> Message:
        """Put a message."""
        now = self.clock.now()
        message = Message(message_id or str(uuid.uuid4()), body, now, now)
        self.messages.append(message)
        return message

    def receive(self, count: int) -> list[Message]:
        """Take up to ``count`` visible messages, which are hidden for the visibility timeout."""
        now = self.clock.now()
        taken: list[Message] = []
        for message in [one for one in self.messages if one.visible_at <= now]:
            if self.max_receives is not None and message.receives >= self.max_receives:
                self.messages.remove(message)
                self.dead.append(message)
            elif len(taken) < count:
                message.receives += 1
                message.visible_at = now + self.visibility
                taken.append(message)
        return taken


class QueueMapping:
    """Polls a queue and hands batches to a handler.

    Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" (example event; each message at least once) and
    "Handling errors for an SQS event source in Lambda": after an error every message of the batch comes back when
    its visibility timeout ends; with ReportBatchItemFailures only those that the answer names do, and an answer that
    names none, or is empty, is success. An identifier that is empty, null, under another name or not in the batch is
    a failure of the whole batch.
    """

    def __init__(
        self,
        name: str,
        queue: Queue,
        handler: Callable[[dict[str, Any], Any], Any],
        *,
        batch_size: int = 10,
        partial_answers: bool = False,
        faults: Faults = NO_FAULTS,
        seed: int = 0,
    ) -> None:
        """Read ``queue``; ``name`` is also the function's name."""
        if not 1 <= batch_size <= 10_000:
            raise ValueError(f"batch_size {batch_size} is not within 1 and 10000")
        self.name, self.queue, self.handler = name, queue, handler
        self.batch_size, self.partial_answers, self.faults = batch_size, partial_answers, faults
        self.errors: list[str] = []
        self._rng = random.Random(seed)

    @classmethod
    def from_template(
        cls,
        name: str,
        queue: Queue,
        handler: Callable[[dict[str, Any], Any], Any],
        properties: Mapping[str, Any],
    ) -> QueueMapping:
        """Read the properties of a synthesized ``AWS::Lambda::EventSourceMapping`` of a queue.

        Raises:
            ValueError: a setting that this mapping does not have.
        """
        if unknown := set(properties) - set(QUEUE):
            raise ValueError(f"a queue's mapping does not know {sorted(unknown)}")
        types = properties.get("FunctionResponseTypes", [])
        return cls(
            name,
            queue,
            handler,
            batch_size=properties.get("BatchSize", 10),
            partial_answers=REPORT_BATCH_ITEM_FAILURES in types,
        )

    def run_until_idle(self, *, max_steps: int = 1000) -> None:
        """Deliver until the queue is empty; time moves to the next visible message when all are hidden.

        Raises:
            AssertionError: messages are left after ``max_steps`` batches.
        """
        for _ in range(max_steps):
            if not self.queue.messages:
                return
            self.queue.clock.advance_to(min(message.visible_at for message in self.queue.messages))
            self._deliver(self.queue.receive(self.batch_size))
        raise AssertionError(f"not idle after {max_steps} batches; last errors: {self.errors[-3:]}")

    def _deliver(self, batch: list[Message]) -> None:
        if not batch:
            return
        failed = self._failed(batch)
        # A standard queue may deliver a message again that was deleted.
        repeated = self._rng.random() < self.faults.duplicate_delivery
        for message in batch:
            if message.message_id in failed:
                continue
            if repeated:
                message.visible_at = self.queue.clock.now()
            else:
                self.queue.messages.remove(message)

    def _failed(self, batch: list[Message]) -> set[str]:
        """Ids of the messages that come back."""
        everything = {message.message_id for message in batch}
        if self._rng.random() < self.faults.crash_before:
            return everything
        try:
            answer = self.handler(
                {"Records": [self._record(message) for message in batch]}, FunctionContext(self.name, "r")
            )
        except (Exception, Crash, SystemExit) as error:  # noqa: BLE001  # to Lambda every error is the function's
            self.errors.append(f"{type(error).__name__}: {error}")
            return everything
        if self._rng.random() < self.faults.crash_after:
            return everything
        # The same form as a stream's answer, but every named message comes back, not all from the first on.
        outcome = read_answer(
            answer, [message.message_id for message in batch], partial_answers=self.partial_answers
        )
        if outcome.error is not None:
            self.errors.append(outcome.error)
            return everything
        if not self.partial_answers or not answer:
            return set()
        return {failure["itemIdentifier"] for failure in answer.get("batchItemFailures") or []}

    def _record(self, message: Message) -> dict[str, Any]:
        sent = str(int(message.sent_at.timestamp() * 1000))
        return {
            "messageId": message.message_id,
            "receiptHandle": f"{message.message_id}-{message.receives}",
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.receives),
                "SentTimestamp": sent,
                "SenderId": ACCOUNT,
                "ApproximateFirstReceiveTimestamp": sent,
            },
            "messageAttributes": {},
            "md5OfBody": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.queue.name}",
            "awsRegion": REGION,
        }
