"""A function in which several consumers of one source run, each with a handler and dead letters of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millrace.core.consumer import BatchError, Consumed, Consumer, Record, sequence_number


@dataclass(frozen=True, slots=True)
class Hosted:
    """What became of a batch by consumer; a consumer that failed has no count.

    `answer` is the function's answer to Lambda under ReportBatchItemFailures: empty, or the earliest record that some
    consumer has not finished, from which on the batch is delivered again.
    """

    consumed: Mapping[str, Consumed]
    answer: dict[str, list[dict[str, str]]]


class Host:
    """Several consumers in one function on one source, each with a handler and dead letters of its own.

    Each is given the whole batch. What one of them sets aside, or fails on, changes nothing in what another one does: it
    only sees again, as after any redelivery, records that it has handled.
    """

    def __init__(
        self, consumers: Mapping[str, Consumer], log: Callable[[str], None] = lambda _: None
    ) -> None:
        """`consumers` by name, in the order in which they are given a batch; `log` takes a line for each that fails."""
        self._consumers, self._log = consumers, log

    def consume(self, event: Mapping[str, Any]) -> Hosted:
        """Hands a batch to each consumer; a dependency that fails is in the answer and raises nothing."""
        records: Sequence[Record] = event["Records"]
        consumed: dict[str, Consumed] = {}
        earliest = len(records)
        for name, consumer in self._consumers.items():
            try:
                consumed[name] = consumer.consume(event)
            except BatchError as error:
                self._log(f"{name}: {error}")
                unfinished = (place for place, one in enumerate(records) if one is error.record)
                earliest = min(earliest, next(unfinished))
        failures = [
            {"itemIdentifier": sequence_number(record)} for record in records[earliest : earliest + 1]
        ]
        return Hosted(consumed, {"batchItemFailures": failures})
