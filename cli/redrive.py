"""Redrive: failed batches of a stream mapping, and dead letters of a consumer, go to the same function once more.

Lambda writes a batch that grew too old to the lake as one object that holds the whole event (AWS Lambda Developer Guide,
"Retain discarded batch records for a Kinesis Data Streams event source in Lambda" and its DynamoDB twin). Every
consumer is idempotent, so a batch that is fed twice changes nothing: an interrupted redrive is simply started again.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson

from millrace.core import consumer
from millrace.core.aws import calling
from millrace.core.errors import MillraceError
from millrace.core.objects import Objects
from millrace.core.prefixes import FAILED_BATCHES, REDRIVEN
from millrace.eventstore import consumers

# Marks a dead letter that is being fed. A consumer that fails again overwrites the object without this metadata.
REDRIVE_MARK = "millrace-redrive"


@dataclass(frozen=True, slots=True)
class RedriveResult:
    """The result of feeding one object: how many records it holds, how many failed again, and why."""

    key: str
    rows: int
    different: int = 0
    reason: str | None = None


class Redrive:
    """Feeds one deployed function. An object that succeeded moves below `redriven/`, one that failed stays."""

    def __init__(self, lake: Objects, lambda_: Any, *, stem: str, function: str) -> None:
        """`stem` names a consumer, or the function that hosts several (`archive_events`); `function` is its name in the AWS account."""
        self._lake, self._lambda = lake, lambda_
        self._stem, self._function = stem, function

    def failed_batches(self) -> list[str]:
        """Keys of the function's failed batches, including those of deleted mappings, oldest first."""
        owners: dict[str, str] = {}
        for page in self._lambda.get_paginator("list_event_source_mappings").paginate():
            for mapping in page["EventSourceMappings"]:
                owners[mapping["UUID"]] = _name(mapping["FunctionArn"])
        failed: list[str] = []
        for folder in self._lake.list_folders(FAILED_BATCHES):
            mapping_id = folder.removeprefix(FAILED_BATCHES).rstrip("/")
            keys = self._keys(folder)
            # A mapping that a deployment replaced is no longer listed; its records still name their function.
            owner = owners.get(mapping_id) or (keys and self._owner(keys[0]))
            if owner == self._function:
                failed += keys
        return sorted(failed, key=lambda key: key.rsplit("/", 1)[-1])

    def dead_letters(self) -> list[str]:
        """Keys of the consumer's dead letters, oldest day first; for a function, those of each consumer that it hosts."""
        return [key for consumer in consumers.named(self._stem) for key in self._keys(consumer.dead_letters)]

    def run(
        self,
        keys: Iterable[str],
        feed: Callable[[str], RedriveResult],
        *,
        parallel: int,
        progress: Callable[[RedriveResult], None] = lambda _: None,
    ) -> Counter[str]:
        """Feeds objects, `parallel` at once; returns the totals `rows`, `different` and `batches`."""
        total: Counter[str] = Counter(rows=0, different=0, batches=0)
        with ThreadPoolExecutor(parallel, thread_name_prefix="redrive") as pool:
            for result in pool.map(feed, keys):
                progress(result)
                total.update(rows=result.rows, different=result.different, batches=1)
        return total

    def count(self, key: str) -> RedriveResult:
        """Counts the records of an object; changes nothing."""
        return RedriveResult(key, len(_records(self._read(key))))

    def feed_batch(self, key: str) -> RedriveResult:
        """Feeds a failed batch as it was delivered."""
        document = self._read(key)
        records = _records(document)
        if not records:
            return RedriveResult(key, 0, 1, "the object holds no event")
        reason = self._invoke({"Records": _marked(records)})
        if reason is None:
            self._move(key)
            return RedriveResult(key, len(records))
        return RedriveResult(key, len(records), len(records), reason)

    def feed_dead_letter(self, key: str) -> RedriveResult:
        """Feeds one record by itself, so that the files made of it have names of their own and replace no others.

        The object is marked first. A consumer that fails on the record again overwrites the object, which removes the mark.
        """
        document = self._read(key)
        body = orjson.dumps(document)
        self._lake.put(key, body, content_type="application/json", metadata={REDRIVE_MARK: "1"})
        reason = self._invoke({"Records": _marked(_records(document))})
        if reason is None and REDRIVE_MARK not in self._lake.metadata(key):
            reason = str(self._read(key).get("reason", "failed again"))
        if reason is None:
            self._move(key)
            return RedriveResult(key, 1)
        return RedriveResult(key, 1, 1, reason)

    def _invoke(self, event: dict[str, Any]) -> str | None:
        """None when the function handled the event, else the reason of its failure."""
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
    """Whether a function that hosts several consumers answers that one of them did not complete the batch."""
    document = orjson.loads(answer or b"null")
    return isinstance(document, dict) and bool(document.get("batchItemFailures"))


def _marked(records: list[Any]) -> list[Any]:
    """The records as redriven ones."""
    return [{**one, consumer.REDRIVEN: True} if isinstance(one, dict) else one for one in records]


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
