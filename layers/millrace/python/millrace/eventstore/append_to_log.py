"""Events of high volume and low value (`store: none`): straight into the log, in the form of a change record.

They have no row, so no duplicate is seen here: each is accepted, and silver keeps one of each id and day.
"""

import base64
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from millrace.core.aws import calling
from millrace.core.errors import MillraceError
from millrace.core.table import Item
from millrace.eventstore.append import AppendResult

RECORDS_PER_CALL = 500
# PutRecords takes 10 MiB; base64 and the request around it grow with the data.
BYTES_PER_CALL = 5 * 1024 * 1024
ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.05


class LogAppender:
    """Puts rows into the stream; only the records that an answer lists as failed are retried."""

    def __init__(self, kinesis: Any, stream_arn: str, log: Callable[[str], None] = lambda _: None) -> None:
        self._kinesis, self._stream, self._log = kinesis, stream_arn, log

    def append(self, items: Sequence[Item]) -> list[AppendResult]:
        """One result per row, in order: `accepted`, or `unavailable` for what the stream did not take."""
        results = [AppendResult.UNAVAILABLE] * len(items)
        for call in _calls([_record(item) for item in items]):
            for index in self._put(call):
                results[index] = AppendResult.ACCEPTED
        return results

    def _put(self, call: list[tuple[int, dict[str, Any]]]) -> list[int]:
        """The positions of the records that the stream took."""
        taken: list[int] = []
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311  jitter
            try:
                with calling("put records"):
                    answer = self._kinesis.put_records(
                        StreamARN=self._stream, Records=[record for _, record in call]
                    )
            except MillraceError as error:
                self._log(str(error))
                return taken
            failed = []
            for (index, record), result in zip(call, answer["Records"], strict=True):
                if result.get("ErrorCode"):
                    failed.append((index, record))
                else:
                    taken.append(index)
            if not failed:
                break
            call = failed
        return taken


def _record(item: Item) -> dict[str, Any]:
    row = {name: {kind: _text(value) for kind, value in held.items()} for name, held in item.items()}
    change = {"eventName": "INSERT", "recordFormat": "millrace/direct", "dynamodb": {"NewImage": row}}
    # The table's own change records have random keys as well: the log keeps no order, and nothing may need one.
    return {"Data": orjson.dumps(change), "PartitionKey": item["eventId"]["S"][-36:]}


def _text(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _calls(records: Sequence[dict[str, Any]]) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    call: list[tuple[int, dict[str, Any]]] = []
    size = 0
    for index, record in enumerate(records):
        needed = len(record["Data"])
        if call and (len(call) == RECORDS_PER_CALL or size + needed > BYTES_PER_CALL):
            yield call
            call, size = [], 0
        call.append((index, record))
        size += needed
    if call:
        yield call
