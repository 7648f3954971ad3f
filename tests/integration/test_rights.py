"""Least privilege, shown: what functions ask of AWS while a day is told, their synthesized roles allow; and no more."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from millrace.access import keys, rows
from millrace.access.credentials import create_api_key
from millrace.aggregates import folding
from millrace.core.table import Table
from millrace.eventstore.consumers import Source, named, reading
from millrace.features import views as feature_views
from tests.support import champions, events
from tests.support.alerting import ALERT, Alerting
from tests.support.doors import basic, knock, write_key
from tests.support.faultpoints import Calls, Story
from tests.support.mappings.context import FunctionContext
from tests.support.platform import ACME, LAKE, platform
from tests.support.rights import BY_LAMBDA, Call, Recorder, Rights
from tests.support.templates import templates
from tests.support.webhooks import SECRET, STRIPE, charge, deliver, set_secret

FUNCTIONS = (
    "post_events",
    "collect",
    "receive_webhooks",
    "receive_bus_events",
    "replay_quarantine",
    "archive_events",
    "project_events",
    "fold_tiles",
    "read_analytics",
    "route_events",
    "score_transactions",
    "read_api",
    "predict",
    "authorize",
)
DEAD = "only poison is set aside, and the day has none; tests/integration/test_slice.py has it"
GIVEN_UP = "Lambda writes batches that are too old in the function's role, and asks first whether the bucket is there"
ONE_INTAKE = "whatever the way in, intake may meet a tenant, a type or a refusal for the first time"
TWO_REPLAYS = "of two replays at once, which tests/integration/test_repairs.py has"
NOBODY_YET = "of a tenant that asks before its first event has come"
ERASED = "of an event of who was erased minutes before; tests/integration/test_subject_erasure.py has it"
OF_BEFORE: dict[Call, str] = {("dynamodb:GetItem", "table/Events"): ERASED}
NEW_PERSON: dict[Call, str] = {("dynamodb:PutItem", "table/SubjectKeys"): ONE_INTAKE}
# Allowed and not used: function → action and resource → why it stays.
UNUSED: dict[str, dict[Call, str]] = {
    "post_events": {
        **OF_BEFORE,
        (
            "s3:PutObject",
            "lake/imports/*",
        ): "whoever has an address for a file puts it in the name of this function",
    },
    "collect": {
        **NEW_PERSON,
        **OF_BEFORE,
        ("kms:GenerateDataKey", "tenant-key"): ONE_INTAKE,
        ("dynamodb:PutItem", "table/Metadata"): ONE_INTAKE,
        ("kinesis:PutRecords", "log"): ONE_INTAKE,
    },
    "receive_webhooks": {
        **NEW_PERSON,
        **OF_BEFORE,
        ("kms:GenerateDataKey", "tenant-key"): ONE_INTAKE,
        ("kinesis:PutRecords", "log"): ONE_INTAKE,
    },
    "receive_bus_events": {
        **NEW_PERSON,
        **OF_BEFORE,
        ("kms:GenerateDataKey", "tenant-key"): ONE_INTAKE,
        ("kinesis:PutRecords", "log"): ONE_INTAKE,
    },
    "replay_quarantine": {
        **NEW_PERSON,
        **OF_BEFORE,
        ("kms:GenerateDataKey", "tenant-key"): ONE_INTAKE,
        ("dynamodb:BatchWriteItem", "table/Metadata"): ONE_INTAKE,
        ("kinesis:PutRecords", "log"): ONE_INTAKE,
        ("s3:PutObject", "lake/quarantine/*"): ONE_INTAKE,
        (
            "dynamodb:BatchGetItem",
            "table/Metadata",
        ): TWO_REPLAYS,
    },
    "read_api": {
        ("kms:GenerateDataKey", "tenant-key"): "masks of rows from before a tenant had a key",
        ("s3:GetObject", "lake/raw/external-data/*"): "of imports; tests/integration/test_imports.py",
    },
    "fold_tiles": {
        (
            "dynamodb:UpdateItem",
            "table/Analytics",
        ): "a minute that fails is put off; tests/unit/aggregates/test_folding.py has it"
    },
    "read_analytics": {
        ("dynamodb:BatchGetItem", "table/Analytics"): "of sealed days; tests/integration/test_sealing.py",
        ("kms:GenerateDataKey", "tenant-key"): NOBODY_YET,
    },
    "predict": {("kms:GenerateDataKey", "tenant-key"): NOBODY_YET},
    **{
        stem: {
            **{("s3:PutObject", f"lake/{one.dead_letters}*"): DEAD for one in named(stem)},
            ("s3:PutObject", "lake/aws/lambda/*"): GIVEN_UP,
            ("s3:ListBucket", "lake"): GIVEN_UP,
        }
        for stem in (*reading(Source.LOG), *reading(Source.TABLE_STREAM))
    },
}


@pytest.fixture(scope="module")
def recorded(bundle: Path) -> Iterator[dict[str, set[Call]]]:
    recorder, calls = Recorder(), Calls()
    with platform(bundle, scoring=True) as running, recorder.installed():
        story = Story(running, calls)

        @contextmanager
        def both(stem: str) -> Iterator[None]:
            with ExitStack() as stack:
                stack.enter_context(calls.of(stem))
                stack.enter_context(recorder.of(stem))
                yield

        running.around = both
        story.tell()
        champions.deploy(running.dynamodb, running.s3, feature_views.load(bundle), bucket=LAKE, org=ACME)
        # A copy that is new finds the tenant's key there and has it unwrapped.
        running.restart_all()
        order, transaction = events.shipped_order(), events.transaction()
        broken = events.order()
        del broken["data"]["payload"]["orderId"]
        results = running.post([order, transaction, broken])["body"]["results"]
        running.settle()
        world = Alerting(running.dynamodb)
        world.alerts.raise_all([ALERT])
        world.track()
        # What has come just now is folded as if its minute were over.
        with recorder.of("fold_tiles"), patch.object(folding, "SETTLE", -2 * folding.MINUTE):
            folded = running.functions["fold_tiles"]({}, FunctionContext("fold_tiles", "r"))
            assert folded["minutes"]
            assert not folded["failed"]
        with recorder.of("read_analytics"):
            path, metric = "/v1/analytics/{metric}", "events_by_type"
            assert running.get(path, metric=metric, query={"window": "1d"})["body"]["items"]
            of_user = {"window": "1d", "by.user": "usr_4711"}
            assert running.get(path, metric="orders_by_user", query=of_user)["body"]["items"]
            assert running.get(path, metric=metric, scopes="")["status"] == 403
        assert running.post(order, scopes="")["status"] == 403
        assert running.call("/v1/predict", b"{}", function="predict", scopes="")["status"] == 403
        with recorder.of("read_api"):
            assert running.get("/v1/alerts")["body"]["items"]
            assert running.get("/v1/alerts", query={"userId": "usr_4711"})["status"] == 200
            assert running.get("/v1/audit")["status"] == 200
            ids = {"eventId": order["eventId"]}
            running.get("/v1/events/{eventId}", **ids)
            running.get("/v1/events/{eventId}/trace", **ids)
            for query in (
                {"eventType": "order.created"},
                {"userId": "usr_4711"},
                {"correlationId": "checkout-17"},
                {"sessionId": "ses_17"},
                {"entity": f"order:{order['data']['payload']['orderId']}"},
            ):
                assert running.get("/v1/events", query=query)["status"] == 200
            running.get("/v1/quarantine")
            running.get("/v1/quarantine/{id}", id=results[2]["quarantineId"])
            transaction_id = transaction["data"]["payload"]["transaction_id"]
            running.get("/v1/fraud/decisions/{transactionId}", transactionId=transaction_id)
            running.get("/v1/datasets")
            running.get("/v1/features", query={"features": "user_features:order_count", "user_id": "42"})
            running.get("/v1/datasets/{name}", name="silver.order_created_v1")
        knock(
            running,
            "POST /v1/collect",
            {"events": [events.order(), {}]},
            authorization=basic(write_key(running)),
        )
        set_secret(STRIPE, SECRET)
        assert deliver(running, STRIPE, [charge(), {}])["status"] == 200
        running.call("/v1/predict", transaction["data"]["payload"], function="predict")
        running.call("/v1/quarantine/discard", {"filter": {"code": "missing"}})
        # A key of an earlier version is put into its tenant's list when it is used.
        metadata = Table(running.dynamodb, "Metadata")
        key = create_api_key(metadata, org=ACME, name="old", scopes=["events:read"])
        held = keys.in_partition(metadata, rows.digest(key)[:2])
        metadata.write_all([{name: one for name, one in item.items() if name != "prefix"} for item in held])
        call = {"headers": {"authorization": f"Bearer {key}"}, "routeKey": "GET /v1/events"}
        with recorder.of("authorize"):
            assert running.functions["authorize"](call, None)["isAuthorized"]
        yield recorder.calls


def test_every_function_was_recorded(recorded: dict[str, set[Call]]) -> None:
    # Of what is made of events as they come, tests/integration/test_rights_real_time.py tells more.
    assert set(recorded) - {"analyze_events", "sweep_timers"} == set(FUNCTIONS)
    assert all(recorded.values()), {stem for stem, found in recorded.items() if not found}


@pytest.mark.parametrize("environment", ["dev", "prod"])
@pytest.mark.parametrize("stem", FUNCTIONS)
def test_a_role_allows_what_its_function_asks(
    recorded: dict[str, set[Call]], stem: str, environment: str
) -> None:
    rights = Rights(templates(environment), stem)
    assert [one for one in sorted(recorded[stem]) if not rights.allow(one)] == []


@pytest.mark.parametrize("stem", FUNCTIONS)
def test_a_role_allows_nothing_without_a_reason(recorded: dict[str, set[Call]], stem: str) -> None:
    unused = Rights(templates("prod"), stem).unused(recorded[stem])
    assert {one for one in unused if one[0] not in BY_LAMBDA} == set(UNUSED.get(stem, {}))


def test_what_no_role_allows_is_found(recorded: dict[str, set[Call]]) -> None:
    rights = Rights(templates("prod"), "archive_events")
    assert rights.allow(("s3:PutObject", "lake/raw/events/org=a/x.parquet"))
    for one in (
        ("s3:PutObject", "lake/quarantine/x"),
        ("s3:GetObject", "lake/raw/events/x"),
        ("dynamodb:BatchWriteItem", "table/Events"),
        ("dynamodb:DeleteItem", "table/Metadata"),
    ):
        assert not rights.allow(one)
