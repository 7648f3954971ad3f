"""The one conditional write that accepts an event. The first write of an id wins, in whichever copy it came."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import limits
from millrace.core.errors import error_code
from millrace.core.shared_work import Crew
from millrace.eventstore.fingerprint import Fingerprint
from millrace.eventstore.row import Item


class Outcome(StrEnum):
    """What became of an event."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"


class Appender(Protocol):
    """Where accepted events go."""

    def append(self, items: Sequence[Item]) -> list[Outcome]:
        """One outcome per row, in order."""
        ...


class TableAppender:
    """Puts rows into the Events table, in parallel with a bound, and reads the answer of each."""

    def __init__(self, dynamodb: Any, events_table: str, log: Callable[[str], None] = lambda _: None) -> None:
        self._dynamodb, self._table, self._log = dynamodb, events_table, log
        self._crew = Crew(limits.IN_FLIGHT, "append")

    def append(self, items: Sequence[Item]) -> list[Outcome]:
        """One outcome per row, in order. A row whose write stays unanswered is `unavailable`, never lost."""
        if len(items) == 1:
            return [self._put(items[0])]
        left = deque(enumerate(items))
        outcomes = [Outcome.UNAVAILABLE] * len(items)
        end = time.monotonic() + limits.APPEND_SECONDS
        # Each takes rows until none is left: a task a row would cost as much as judging it.
        self._crew.run(lambda: self._put_some(left, outcomes, end), len(items))
        return outcomes

    def _put_some(self, left: deque[tuple[int, Item]], outcomes: list[Outcome], end: float) -> None:
        # Rows that time does not suffice for stay unavailable: the client gets its answer before the gateway gives up.
        while time.monotonic() < end:
            try:
                index, item = left.popleft()
            except IndexError:
                return
            outcomes[index] = self._put(item)

    def _put(self, item: Item) -> Outcome:
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(eventId)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error_code(error.response) == "ConditionalCheckFailedException":
                return judge(error.response.get("Item", {}), item)
            self._log(f"put event: {error_code(error.response)}")
            return Outcome.UNAVAILABLE
        except BotoCoreError as error:
            self._log(f"put event: {type(error).__name__}")
            return Outcome.UNAVAILABLE
        return Outcome.ACCEPTED


def judge(stored: Item, item: Item) -> Outcome:
    """What a refused put means: the same event again, this very request retried, or another event under the id."""
    known, ours = bytes(stored["fingerprint"]["B"]), item["fingerprint"]["B"]
    # A row of an earlier version has a fingerprint of that version's form; what the platform derives has one form only.
    if known != ours and not (isinstance(ours, Fingerprint) and ours.matches(known)):
        return Outcome.CONFLICT
    # The SDK repeats a put whose answer was lost: the row then carries this very request.
    return Outcome.ACCEPTED if stored["requestId"] == item["requestId"] else Outcome.DUPLICATE
