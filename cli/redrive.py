"""Batches that a stream mapping gave up on, and records that a consumer set aside, fed to the same function again.

Lambda keeps a batch that grew too old as one object of the lake, the whole event in it (AWS Lambda Developer Guide,
"Retain discarded batch records for a Kinesis Data Streams event source in Lambda" and its DynamoDB twin). Every
consumer is idempotent, so feeding one twice changes nothing: a redrive that is cut off is simply started again.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson

from millrace.core.aws import calling
from millrace.core.errors import MillraceError
from millrace.core.objects import Objects
from millrace.core.prefixes import FAILED_BATCHES, REDRIVEN
from millrace.eventstore import consumers

# Metadata of a dead letter that is being fed; the consumer, should it set the record aside again, writes without it.
FED = "millrace-redrive"


@dataclass(frozen=True, slots=True)
class Fed:
    """The result of feeding one object: how many records it holds, how many failed again, and why."""

    key: str
    rows: int
    different: int = 0
    reason: str | None = None


class Redrive:
    """Feeds one deployed function. An object that succeeded moves below `redriven/`, one that failed stays."""

    def __init__(self, lake: Objects, lambda_: Any, *, stem: str, function: str) -> None:
        """`stem` names a consumer, or the function that hosts some (`archive_events`); `function` is its name in the account."""
        self._lake, self._lambda = lake, lambda_
        self._stem, self._function = stem, function

    def failed_batches(self) -> list[str]:
        """Keys of the function's failed batches, those of mappings that are gone included, oldest first."""
        owners: dict[str, str] = {}
        for page in self._lambda.get_paginator("list_event_source_mappings").paginate():
            for mapping in page["EventSourceMappings"]:
                owners[mapping["UUID"]] = _name(mapping["FunctionArn"])
        failed: list[str] = []
        for folder in self._lake.list_folders(FAILED_BATCHES):
            mapping_id = folder.removeprefix(FAILED_BATCHES).rstrip("/")
            keys = self._keys(folder)
            # A mapping that a deploy replaced is not listed any more; its records still name their function.
            owner = owners.get(mapping_id) or (keys and self._owner(keys[0]))
            if owner == self._function:
                failed += keys
        return sorted(failed, key=lambda key: key.rsplit("/", 1)[-1])

    def dead_letters(self) -> list[str]:
        """Keys of the records that the consumer set aside, oldest day first; of a function, those of each that it hosts."""
        return [key for consumer in consumers.named(self._stem) for key in self._keys(consumer.dead_letters)]

    def run(
        self,
        keys: Iterable[str],
        feed: Callable[[str], Fed],
        *,
        parallel: int,
        progress: Callable[[Fed], None] = lambda _: None,
    ) -> Counter[str]:
        """Feeds objects, `parallel` at once, and adds up `rows`, `different` and `batches`."""
        total: Counter[str] = Counter(rows=0, different=0, batches=0)
        with ThreadPoolExecutor(parallel, thread_name_prefix="redrive") as pool:
            for fed in pool.map(feed, keys):
                progress(fed)
                total.update(rows=fed.rows, different=fed.different, batches=1)
        return total

    def count(self, key: str) -> Fed:
        """How many records an object would feed; changes nothing."""
        return Fed(key, len(_records(self._read(key))))

    def feed_batch(self, key: str) -> Fed:
        """Feeds a failed batch as it was delivered."""
        document = self._read(key)
        records = _records(document)
        if not records:
            return Fed(key, 0, 1, "the object holds no event")
        reason = self._invoke({"Records": records})
        if reason is None:
            self._move(key)
            return Fed(key, len(records))
        return Fed(key, len(records), len(records), reason)

    def feed_dead_letter(self, key: str) -> Fed:
        """Feeds one record by itself, so that what is made of it is named by its own place and replaces nothing else's.

        The object is marked first. A consumer that sets the record aside again overwrites it, and the mark is gone.
        """
        document = self._read(key)
        body = orjson.dumps(document)
        self._lake.put(key, body, content_type="application/json", metadata={FED: "1"})
        reason = self._invoke({"Records": _records(document)})
        if reason is None and FED not in self._lake.metadata(key):
            reason = str(self._read(key).get("reason", "set aside again"))
        if reason is None:
            self._move(key)
            return Fed(key, 1)
        return Fed(key, 1, 1, reason)

    def _invoke(self, event: dict[str, Any]) -> str | None:
        """None when the function took the event, else why not."""
        try:
            with calling(f"invoke {self._function}"):
                response = self._lambda.invoke(
                    FunctionName=self._function, InvocationType="RequestResponse", Payload=orjson.dumps(event)
                )
                answer: bytes = response["Payload"].read()
        except MillraceError as error:
            return str(error)
        if response.get("FunctionError") or _unfinished(answer):
            return answer.decode(errors="replace")[:300]
        return None

    def _move(self, key: str) -> None:
        self._lake.copy(key, f"{REDRIVEN}{self._stem}/{key}")
        self._lake.delete(key)

    def _owner(self, key: str) -> str:
        return _name(str(self._read(key).get("requestContext", {}).get("functionArn", "")))

    def _read(self, key: str) -> dict[str, Any]:
        document: dict[str, Any] = orjson.loads(self._lake.get(key))
        return document

    def _keys(self, prefix: str) -> list[str]:
        return [listed.key for listed in self._lake.list_objects(prefix)]


def _unfinished(answer: bytes) -> bool:
    """Whether a function that hosts several consumers answers that one of them did not finish the batch."""
    document = orjson.loads(answer or b"null")
    return isinstance(document, dict) and bool(document.get("batchItemFailures"))


def _records(document: dict[str, Any]) -> list[Any]:
    """The records of an invocation record (its event is JSON text under `payload`) or of a dead letter."""
    if "record" in document:
        return [document["record"]]
    payload = document.get("payload") or {}
    event = orjson.loads(payload) if isinstance(payload, str) else payload
    records: list[Any] = event.get("Records", [])
    return records


def _name(arn: str) -> str:
    """The function's name in `arn:aws:lambda:<region>:<account>:function:<name>[:<qualifier>]`."""
    parts = arn.split(":")
    return parts[6] if len(parts) > 6 else arn
