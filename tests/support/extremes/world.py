"""The whole platform in this process, from the handler of intake to the last table, on stores of the emulator.

Consumers and their filters are those of the deployed templates, functions of a run those of its state machine's file,
functions of the API those of its document: what is new among them takes part.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any
from unittest.mock import patch

import boto3
from botocore import loaders, session

from millrace.api.route import load_operations
from millrace.core import limits
from millrace.core.objects import Objects
from millrace.eventstore import tenant_key
from millrace.privacy import tenant_secrets
from millrace.runs.store import RunStore
from tests.support.emulator import LOG, Lake, fresh
from tests.support.extremes.events import Made, written
from tests.support.functions import function
from tests.support.machines import machine, run_functions
from tests.support.mappings import KinesisStream, ManualClock, MappingDriver, MappingSettings, Table
from tests.support.platform import BUS, Platform
from tests.support.still import standing_still
from tests.support.templates import templates

Row = dict[str, Any]
MACHINE = "hourly_etl"
STREAM = "events"
_BYTES_PER_REQUEST = limits.BYTES_PER_REQUEST - 1024
# What a run of the last of a day makes as well.
_ALL = {"refresh": ["hourly", "daily"]}


class World(Platform):
    """One platform. What it was sent and what it answered stands in `answers`."""

    def __init__(self, endpoint: str, stack: ExitStack, now: datetime, kept: Sequence[Row] = ()) -> None:
        """Empty stores, but for the rows of Metadata in `kept`.

        Args:
            endpoint: of the emulator, to which the process points already.
            stack: ends with the world.
            now: when everything is received.
            kept: keys of tenants of an earlier world, so that the same events have the same fingerprints and tokens.
        """
        self.lake: Lake = fresh(endpoint)
        self.dynamodb, self.s3 = self.lake.dynamodb, self.lake.s3
        self.kms, self.events, self.sqs = boto3.client("kms"), boto3.client("events"), boto3.client("sqs")
        self.kinesis = boto3.client("kinesis")
        for row in kept:
            self.dynamodb.put_item(TableName="Metadata", Item=row)
        self.kms_key = kept[0]["kmsKey"]["S"] if kept else self.kms.create_key()["KeyMetadata"]["KeyId"]
        self._environ = self.variables()
        self.stems = sorted({*consumers(), *run_functions(MACHINE).values(), *api_functions()})
        stack.enter_context(standing_still(now))
        # Each step makes clients of its own; what boto3 knows of the services is read once.
        stack.enter_context(patch.object(session, "create_loader", cache(loaders.create_loader)))
        self.around = lambda _: nullcontext()
        self.functions = {
            stem: stack.enter_context(function(stem, self._environ))
            for stem in api_functions() | set(consumers())
        }
        self.now = now
        self.clock = ManualClock(datetime.now(UTC))
        self.table = Table("Events", keys=("eventId",), clock=self.clock)
        self.log = KinesisStream(STREAM, shards=2, clock=self.clock)
        # Nothing twice: how often a row came is what a check of the run counts, and so what two runs would differ in.
        self.table.stream_to(self.log, reorder_window=8)
        self.driver = MappingDriver(clock=self.clock)
        self._captured: set[str] = set()
        self._read: str | None = None
        for stem, (of_table, filters, size) in consumers().items():
            settings = MappingSettings(
                starting_position="TRIM_HORIZON", batch_size=size, filter_criteria=filters
            )
            self.driver.add_mapping(
                stem, self.table.stream if of_table else self.log, partial(self.invoke, stem), settings
            )
        self._streams(stack)
        self.answers: list[tuple[Made, Row]] = []
        self.runs: list[Any] = []
        # Rows of the lake by table, once they were read.
        self.queried: list[tuple[str, Row]] = []
        self._published: list[Row] = []

    def send(self, made: Sequence[Made], rng: random.Random) -> list[Row]:
        """Posts events in requests of many, of few and of one, as arrays and as lines; the result of each, in order."""
        results: dict[int, Row] = {}
        for org, request in _requests(made, rng):
            bodies = [written(one.event) for one in request]
            lines = len(request) > 1 and rng.random() < 0.5
            if len(bodies) == 1:
                body = bodies[0]
            else:
                body = b"\n".join(bodies) if lines else b"[" + b",".join(bodies) + b"]"
            kind = "application/x-ndjson" if lines else "application/json"
            answer = self.request(body, org=org, content_type=kind)
            assert answer["status"] in (202, 207, 400, 409, 422), answer
            answers = answer["body"]["results"]
            assert len(answers) == len(request)
            self.answers += list(zip(request, answers, strict=True))
            results |= {id(one): result for one, result in zip(request, answers, strict=True)}
        return [results[id(one)] for one in made]

    def settle(self) -> None:
        """Every consumer catches up, with what went to the log by itself and with what is derived."""
        while True:
            super().settle()
            if not self._carry():
                return
            self.driver.run_until_idle(max_steps=100_000)

    def run(self, name: str) -> Any:
        """An execution of the hourly pipeline with everything that any hour refreshes; its summary."""
        placeholders = {
            placeholder: partial(self._step, stem) for placeholder, stem in run_functions(MACHINE).items()
        }
        execution = machine(MACHINE, placeholders).run(name, _ALL)
        assert execution.status in ("SUCCEEDED", "FAILED"), execution
        summary = RunStore(Objects(self.s3, self.lake.bucket)).summary(name)
        self.runs.append((execution, summary))
        return summary

    def tenant_keys(self) -> list[Row]:
        """What another world is given as `kept`."""
        kinds = (f"#{tenant_key.KIND}", f"#{tenant_secrets.USE}")
        rows = [row for row in self.rows("Metadata") if row["entityTypeKey"]["S"].endswith(kinds)]
        return [{**row, "kmsKey": {"S": self.kms_key}} for row in rows]

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Objects of the lake by key."""
        return {
            key: self.s3.get_object(Bucket=self.lake.bucket, Key=key)["Body"].read()
            for key in self.lake.keys(prefix)
        }

    def published(self) -> list[Row]:
        """All that has come to a subscriber of the bus."""
        self._published += self.messages()
        return self._published

    def outcomes(self) -> Counter[str]:
        """How many were answered how."""
        return Counter(result["status"] for _, result in self.answers)

    def _step(self, stem: str, payload: Any) -> Any:
        # The log that the driver feeds is its own; that of the table is the emulator's.
        with function(stem, {**self._environ, "EVENT_STREAM_ARN": LOG}) as handler:
            return handler(payload, None)

    def _carry(self) -> int:
        """What intake put into the log itself, so far unread."""
        count = 0
        for shard in self.kinesis.list_shards(StreamName=STREAM)["Shards"]:
            place = {"StreamName": STREAM, "ShardId": shard["ShardId"]}
            how = (
                {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": self._read}
                if self._read
                else {"ShardIteratorType": "TRIM_HORIZON"}
            )
            iterator = self.kinesis.get_shard_iterator(**place, **how)["ShardIterator"]
            while records := (page := self.kinesis.get_records(ShardIterator=iterator))["Records"]:
                for record in records:
                    self.log.put("direct", record["Data"])
                    self._read, count = record["SequenceNumber"], count + 1
                iterator = page["NextShardIterator"]
        return count

    def _streams(self, stack: ExitStack) -> None:
        self.kinesis.create_stream(StreamName=STREAM, ShardCount=1)
        stack.callback(self.kinesis.delete_stream, StreamName=STREAM)
        self.queue = self._subscribe()
        stack.callback(self._unsubscribe)

    def _unsubscribe(self) -> None:
        self.events.remove_targets(Rule="subscriber", EventBusName=BUS, Ids=["queue"])
        self.events.delete_rule(Name="subscriber", EventBusName=BUS)
        self.events.delete_event_bus(Name=BUS)
        self.sqs.delete_queue(QueueUrl=self.queue)

    def variables(self) -> dict[str, str]:
        """The environment of every function."""
        return {
            **self.lake.environ,
            "EVENTS_TABLE": "Events",
            "USER_EVENTS_TABLE": "UserEvents",
            "ANALYTICS_TABLE": "Analytics",
            "FEATURES_BUDGET_MS": "60000",
            "MODELS_TABLE": "MLModels",
            "MODEL_BUDGET_MS": "60000",
            "EVENT_BUS": BUS,
            "EVENT_STREAM_ARN": f"arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}",
            "TENANT_KEY_ID": self.kms_key,
            "EVENTS_PER_SECOND": "1000000",
            "KEY_EVENTS_PER_SECOND": "1000000",
            "MEMORY_MB": "1024",
            "POWERTOOLS_METRICS_DISABLED": "true",
        }


@cache
def consumers() -> dict[str, tuple[bool, tuple[str, ...], int]]:
    """Of every function that a stream feeds: whether that is the table's stream, its filters, and how many it takes at once."""
    deployed = templates("dev")
    owners = {stem.replace("_", ""): stem for stem in deployed.functions()}
    mapped = {}
    for mapping in deployed.resources("AWS::Lambda::EventSourceMapping").values():
        properties = mapping["Properties"]
        source = json.dumps(properties["EventSourceArn"])
        if "EventLog" not in source and "EventsTable" not in source:
            continue
        stem = owners[properties["FunctionName"]["Ref"].partition("Function")[0]]
        filters = tuple(one["Pattern"] for one in properties.get("FilterCriteria", {}).get("Filters", ()))
        mapped[stem] = ("EventsTable" in source, filters, properties["BatchSize"])
    return mapped


@cache
def api_functions() -> set[str]:
    """The functions of the API's document."""
    return {operation["function"] for operation in load_operations().values()}


def _requests(made: Sequence[Made], rng: random.Random) -> Iterator[tuple[str, list[Made]]]:
    """The events of each tenant in requests, those of the tenants by turns."""
    queues: dict[str, list[list[Made]]] = {}
    for org in dict.fromkeys(one.org for one in made):
        left = [one for one in made if one.org == org]
        while left:
            count = rng.choice((1, 7, 60, limits.EVENTS_PER_REQUEST))
            size = 0
            for place, one in enumerate(left[:count]):
                size += len(written(one.event)) + 1
                if size > _BYTES_PER_REQUEST:
                    count = max(1, place)
                    break
            queues.setdefault(org, []).append(left[:count])
            left = left[count:]
    while any(queues.values()):
        for org, requests in queues.items():
            if requests:
                yield org, requests.pop(0)
