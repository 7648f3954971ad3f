"""The slice in process: moto's stores, the real handlers, and AWS's mapping semantics between them."""

import base64
import gzip
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws

from millrace.access.credentials import ALL_SCOPES, create_api_key
from millrace.core import aws, limits, table
from millrace.core.edge import Handler
from millrace.core.objects import Objects
from millrace.eventstore.consumers import SCORER, ConsumerSpec, Source, filter_pattern, reading
from millrace.eventstore.tables import TABLES
from millrace.intake import replay
from millrace.privacy import tenant_secrets
from millrace.quarantine import store
from tests.support import quick_moto
from tests.support.functions import function
from tests.support.mappings import (
    REPORT_BATCH_ITEM_FAILURES,
    FailureDestination,
    Faults,
    KinesisStream,
    ManualClock,
    MappingDriver,
    MappingSettings,
    Table,
)
from tests.support.stores import SCHEMAS, MemoryDynamoDB, MemoryS3
from tests.support.user_pool import user_pool

ACME, GLOBEX = "org_acme", "org_globex"
LAKE, BUS = "lake", "millrace-test"
REQUEST_LIMIT_OFF = "1000000"
PATIENT_SECONDS = 600.0
# As the stack lets batches of the table's stream grow; the log's are older before they are given up.
MAXIMUM_AGE_SECONDS = 20 * 3600
quick_moto.install()


class Platform:
    """Two tenants, seven tables, a lake and a bus; `settle` lets every consumer catch up."""

    def __init__(
        self,
        stack: ExitStack,
        *,
        seed: int = 0,
        faults: Faults | None = None,
        scoring: bool = False,
        giving_up: bool = False,
        in_memory: bool = False,
    ) -> None:
        """`giving_up`: batches that grow too old go into the lake, as in every environment but local."""
        # The imitation takes milliseconds a write, and many times that on a busy machine: a request that runs out of time is
        # a test of its own, over a client that is slow on purpose.
        for module, name in ((limits, "APPEND_SECONDS"), (replay, "SECONDS"), (store, "SECONDS")):
            stack.enter_context(patch.object(module, name, PATIENT_SECONDS))
        self.dynamodb, self.s3 = boto3.client("dynamodb"), boto3.client("s3")
        self.kms, self.events, self.sqs = boto3.client("kms"), boto3.client("events"), boto3.client("sqs")
        if not in_memory:
            for model in TABLES:
                model.create_table(billing_mode="PAY_PER_REQUEST")
            self.s3.create_bucket(Bucket=LAKE)
        self.kms_key = self.kms.create_key()["KeyMetadata"]["KeyId"]
        self.signing_key = self.kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")[
            "KeyMetadata"
        ]["KeyId"]
        self.states = boto3.client("stepfunctions")
        self.erasing = self.states.create_state_machine(
            name="erasesubject",
            definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
            roleArn="arn:aws:iam::123456789012:role/any",
        )["stateMachineArn"]
        self.kinesis = boto3.client("kinesis")
        self.kinesis.create_stream(StreamName="events", ShardCount=1)
        self.queue = self._subscribe()
        self.waiting = self.sqs.create_queue(QueueName="waiting")["QueueUrl"]
        self.keys = {
            org: create_api_key(
                table.Table(self.dynamodb, "Metadata"), org=org, name=f"shop of {org}", scopes=ALL_SCOPES
            )
            for org in (ACME, GLOBEX)
        }
        self.cognito = boto3.client("cognito-idp")
        self.user_pool = user_pool(self.cognito)
        environ = {
            "ENVIRONMENT": "local",
            "EVENTS_TABLE": "Events",
            "USER_EVENTS_TABLE": "UserEvents",
            "ANALYTICS_TABLE": "Analytics",
            "METADATA_TABLE": "Metadata",
            "SUBJECT_KEYS_TABLE": "SubjectKeys",
            "FEATURE_STORE_TABLE": "FeatureStore",
            "FEATURES_BUDGET_MS": "60000",
            "MODELS_TABLE": "MLModels",
            "MODEL_BUDGET_MS": "60000",
            "LAKE_BUCKET": LAKE,
            "AUDIT_BUCKET": LAKE,
            "EVENT_BUS": BUS,
            "EVENT_STREAM_ARN": "arn:aws:kinesis:us-east-1:123456789012:stream/events",
            "TENANT_KEY_ID": self.kms_key,
            "SIGNING_KEY_ID": self.signing_key,
            "ERASE_SUBJECT_MACHINE": self.erasing,
            "WAITING_QUEUE_URL": self.waiting,
            "USER_POOL_ID": self.user_pool.id,
            "USER_POOL_ISSUER": self.user_pool.issuer,
            "USER_POOL_CLIENT_ID": self.user_pool.client_id,
            "EVENTS_PER_SECOND": REQUEST_LIMIT_OFF,
            "KEY_EVENTS_PER_SECOND": REQUEST_LIMIT_OFF,
            "REQUESTS_PER_SECOND": REQUEST_LIMIT_OFF,
            "KEY_REQUESTS_PER_SECOND": REQUEST_LIMIT_OFF,
            "ROWS_PER_SECOND": REQUEST_LIMIT_OFF,
            "LOG_LEVEL": "ERROR",
        }
        stems = (
            "authorize",
            "manage_access",
            "post_events",
            "collect",
            "receive_webhooks",
            "read_api",
            "replay_quarantine",
            "change_alerts",
            "decide_grants",
            "change_subjects",
            "erase_subject",
            "replay_waiting",
            "check_schema",
            "query_lake",
            "receive_bus_events",
            "read_databases",
            "import_file",
            "archive_events",
            "route_events",
            "project_events",
            "analyze_events",
            "sweep_timers",
            "fold_tiles",
            "watch_anomalies",
            "keep_audit",
            "watch_audit",
            "keep_access_logs",
            "read_analytics",
            "score_transactions",
            "predict",
        )
        self._environ = environ
        self.around: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext()
        self.functions: dict[str, Handler] = {
            stem: stack.enter_context(function(stem, environ)) for stem in stems
        }
        # What a change record is made from; the clock of the mappings is its own.
        self.clock = ManualClock(datetime.now(UTC))
        self.table = Table("Events", keys=("eventId",), clock=self.clock)
        self.log = KinesisStream("events", shards=2, clock=self.clock)
        self.table.stream_to(self.log, duplicate_rate=0.05, reorder_window=8)
        self.driver = MappingDriver(clock=self.clock, seed=seed)
        self._captured: set[str] = set()
        self.failed_batches = FailureDestination("s3", put=self._put_failed_batch)
        settings = MappingSettings(
            starting_position="TRIM_HORIZON", batch_size=100, bisect_batch_on_function_error=True
        )
        if giving_up:
            settings = replace(
                settings,
                maximum_record_age_in_seconds=MAXIMUM_AGE_SECONDS,
                on_failure=self.failed_batches,
            )
        sources = {Source.LOG: self.log, Source.TABLE_STREAM: self.table.stream}
        for source, stream in sources.items():
            for stem, hosted in reading(source).items():
                # What fraud derives are events too: tests that count events of their own run without it.
                if stem != SCORER.function or scoring:
                    self.driver.add_mapping(
                        stem,
                        stream,
                        partial(self.invoke, stem),
                        _mapping(settings, hosted),
                        faults=faults if faults is not None else Faults(),
                    )

    def invoke(self, stem: str, event: dict[str, Any], context: Any = None) -> Any:
        """Calls a function as its service does."""
        with self.around(stem):
            return self.functions[stem](event, context)

    def deploy_contracts(self, context: Any = None, *, request_id: str = "deploy-1") -> int:
        """Has CloudFormation say that there are other contracts, and the queue hand out every task that follows."""
        request = {"RequestType": "Update", "RequestId": request_id, "LogicalResourceId": "Replayed"}
        self.invoke("replay_waiting", request, context)
        tasks = 0
        while self.next_task(context):
            tasks += 1
        return tasks

    def next_task(self, context: Any = None, *, delivery: int = 1) -> bool:
        """Hands over the oldest task of a replay, as the queue does; False where there is none."""
        messages = self.sqs.receive_message(QueueUrl=self.waiting, MaxNumberOfMessages=1).get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.waiting, ReceiptHandle=message["ReceiptHandle"])
            attributes = {"ApproximateReceiveCount": str(delivery)}
            self.invoke(
                "replay_waiting", {"Records": [{"body": message["Body"], "attributes": attributes}]}, context
            )
        return bool(messages)

    def restart_all(self) -> None:
        """Puts a fresh copy of each function in its place, with nothing warm, as after a kill."""
        for stem in self.functions:
            with function(stem, self._environ) as fresh:
                self.functions[stem] = fresh

    def empty(self, *, keys_too: bool = False) -> None:
        """Takes out all rows, objects and messages; what comes into Events now is new to its streams.

        With `keys_too` also the keys of tenants, which only functions that start anew do not remember.
        """
        for name, schema in SCHEMAS.items():
            keys = [
                {part: row[part] for part in schema.key}
                for row in self.rows(name)
                if keys_too or not _is_key(row)
            ]
            gone = [{"DeleteRequest": {"Key": key}} for key in keys]
            for start in range(0, len(gone), 25):
                self.dynamodb.batch_write_item(RequestItems={name: gone[start : start + 25]})
        lake = Objects(self.s3, LAKE)
        lake.delete_all([one.key for one in lake.list_objects()])
        self.messages()
        self._captured.clear()
        self.table.items.clear()

    def _put_failed_batch(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=LAKE, Key=key, Body=body)

    def post(
        self,
        body: object,
        *,
        org: str = ACME,
        content_type: str | None = "application/json",
        compress: bool = False,
        scopes: str = " ".join(ALL_SCOPES),
    ) -> dict[str, Any]:
        """Posts to `/v1/events` as the gateway hands it on; `body` as bytes, or anything JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        if compress:
            raw = gzip.compress(raw, compresslevel=1)
        encoding = "gzip" if compress else None
        return self.request(raw, org=org, content_type=content_type, content_encoding=encoding, scopes=scopes)

    def request(
        self,
        raw: bytes,
        *,
        org: str = ACME,
        content_type: str | None = "application/json",
        content_encoding: str | None = None,
        user_agent: str | None = None,
        scopes: str = " ".join(ALL_SCOPES),
    ) -> dict[str, Any]:
        """Posts bytes as they are."""
        given = {"Content-Type": content_type, "Content-Encoding": content_encoding, "User-Agent": user_agent}
        headers = {name: value for name, value in given.items() if value is not None}
        event = _call("POST /v1/events", org, scopes, headers=headers)
        event["body"], event["isBase64Encoded"] = base64.b64encode(raw).decode(), True
        return _answer(self.invoke("post_events", event))

    def get(
        self,
        route: str,
        *,
        org: str = ACME,
        query: Mapping[str, str] | None = None,
        scopes: str = " ".join(ALL_SCOPES),
        **path: str,
    ) -> dict[str, Any]:
        """Calls a read: `get("/v1/events/{eventId}", eventId=…)`."""
        event = _call(f"GET {route}", org, scopes)
        event["pathParameters"], event["queryStringParameters"] = path, dict(query or {})
        stem = "read_analytics" if route.startswith("/v1/analytics") else "read_api"
        return _answer(self.functions[stem](event, None))

    def text(self, route: str, *, query: Mapping[str, str] | None = None, **path: str) -> str:
        """A read whose answer is not JSON."""
        event = _call(f"GET {route}", ACME, " ".join(ALL_SCOPES))
        event["pathParameters"], event["queryStringParameters"] = path, dict(query or {})
        return str(self.functions["read_api"](event, None)["body"])

    def call(
        self,
        path: str,
        body: object,
        *,
        function: str = "replay_quarantine",
        org: str = ACME,
        content_type: str = "application/json",
        principal: str | None = None,
        scopes: str = " ".join(ALL_SCOPES),
        **values: str,
    ) -> dict[str, Any]:
        """Posts to a call other than `/v1/events`; `values` are those of the path."""
        event = _call(f"POST {path}", org, scopes, headers={"Content-Type": content_type}) | {
            "pathParameters": values
        }
        if principal is not None:
            event["requestContext"]["authorizer"]["lambda"]["principal"] = principal
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        event["body"], event["isBase64Encoded"] = base64.b64encode(raw).decode(), True
        return _answer(self.invoke(function, event))

    def settle(self) -> None:
        """Captures what is new in Events and runs every consumer until nothing is left."""
        while self._capture():
            self.log.settle()
            self.driver.run_until_idle(max_steps=100_000)

    def _capture(self) -> int:
        new = [row for row in self.rows("Events") if row["eventId"]["S"] not in self._captured]
        for row in new:
            self._captured.add(row["eventId"]["S"])
            self.table.put(row)
        return len(new)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Every row of a table."""
        return [dict(row) for row in table.Table(self.dynamodb, name).scan()]

    def log_records(self) -> list[bytes]:
        """What intake itself put into the log."""
        (shard,) = self.kinesis.list_shards(StreamName="events")["Shards"]
        place = {"StreamName": "events", "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = self.kinesis.get_shard_iterator(**place)["ShardIterator"]
        return [record["Data"] for record in self.kinesis.get_records(ShardIterator=iterator)["Records"]]

    def stored(self, org: str, event_id: str) -> bool:
        """Whether the event of a tenant has its row."""
        key = {"eventId": {"S": f"{org}#{event_id}"}}
        return "Item" in self.dynamodb.get_item(TableName="Events", Key=key)

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Objects of the lake by key."""
        lake = Objects(self.s3, LAKE)
        return {one.key: lake.get(one.key) for one in lake.list_objects(prefix)}

    def messages(self) -> list[dict[str, Any]]:
        """What the subscriber's queue holds, taken out."""
        bodies: list[dict[str, Any]] = []
        while batch := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            bodies += [json.loads(message["Body"]) for message in batch]
            taken = [{"Id": one["MessageId"], "ReceiptHandle": one["ReceiptHandle"]} for one in batch]
            self.sqs.delete_message_batch(QueueUrl=self.queue, Entries=taken)
        return bodies

    def _subscribe(self) -> str:
        self.events.create_event_bus(Name=BUS)
        queue: str = self.sqs.create_queue(QueueName="subscriber")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        pattern = json.dumps({"source": ["millrace.events"]})
        self.events.put_rule(Name="subscriber", EventBusName=BUS, EventPattern=pattern)
        self.events.put_targets(Rule="subscriber", EventBusName=BUS, Targets=[{"Id": "queue", "Arn": arn}])
        return queue


@contextmanager
def platform(
    bundle: Path,
    *,
    seed: int = 0,
    faults: Faults | None = None,
    scoring: bool = False,
    giving_up: bool = False,
    in_memory: bool = False,
) -> Iterator[Platform]:
    """A platform of its own; `bundle` is the fixture that compiled the contracts.

    `in_memory`: tables and lake are those of tests/support/stores.py, for tests that ask nothing of AWS's answers.
    """
    assert bundle.is_dir()
    aws.client.cache_clear()
    aws.links.cache_clear()
    with ExitStack() as stack:
        stack.enter_context(mock_aws())
        if in_memory:
            stores = {"dynamodb": MemoryDynamoDB(), "s3": MemoryS3(lambda: datetime.now(UTC))}
            make = boto3.client
            chosen = lambda name, **how: stores.get(name) or make(name, **how)  # noqa: E731
            stack.enter_context(patch.object(boto3, "client", chosen))
        yield Platform(
            stack, seed=seed, faults=faults, scoring=scoring, giving_up=giving_up, in_memory=in_memory
        )
    aws.client.cache_clear()
    aws.links.cache_clear()


def called(
    running: Platform,
    route: str,
    function: str,
    *,
    org: str = ACME,
    scopes: str = " ".join(ALL_SCOPES),
    body: Any = None,
    query: Mapping[str, str] | None = None,
    **path: str,
) -> dict[str, Any]:
    """Calls any route: `called(platform, "DELETE /v1/subjects/{id}", "change_subjects", id=…)`."""
    event = _call(route, org, scopes, headers={"Content-Type": "application/json"})
    event["pathParameters"], event["queryStringParameters"] = path, dict(query or {})
    if body is not None:
        event["body"] = json.dumps(body)
    return _answer(running.invoke(function, event))


def _mapping(settings: MappingSettings, hosted: Sequence[ConsumerSpec]) -> MappingSettings:
    """As the stack maps a function to its source."""
    pattern = filter_pattern(hosted)
    return replace(
        settings,
        filter_criteria=() if pattern is None else (pattern,),
        function_response_types=(REPORT_BATCH_ITEM_FAILURES,) if len(hosted) > 1 else (),
    )


def _call(route: str, org: str, scopes: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    said = {"org": org, "principal": f"shop of {org}", "scopes": scopes}
    return {
        "version": "2.0",
        "routeKey": route,
        "headers": dict(headers or {}),
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "authorizer": {"lambda": said},
            "http": {"sourceIp": "203.0.113.7", "method": route.split(maxsplit=1)[0]},
        },
        "isBase64Encoded": False,
    }


def _answer(response: dict[str, Any]) -> dict[str, Any]:
    assert response["headers"]["x-request-id"]
    return {
        "status": response["statusCode"],
        "headers": response["headers"],
        "body": json.loads(response["body"]),
    }


def ids(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """The event ids of envelopes."""
    return [str(item["eventId"]) for item in items]


def _is_key(row: Mapping[str, Any]) -> bool:
    return str(row.get("entityTypeKey", {}).get("S", "")).endswith(f"#{tenant_secrets.USE}")
