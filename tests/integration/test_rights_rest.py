"""The same for functions that neither a day's events nor a run calls: deploys, the clock, and whoever asks about a contract."""

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from millrace.access.actions import ACTIONS
from millrace.core import custom_resource
from millrace.core.aws import client
from millrace.runs.names import MACHINES
from tests.integration.test_rights import OF_BEFORE, ONE_INTAKE, TWO_REPLAYS
from tests.integration.test_waiting import Context, new_contracts
from tests.support import events
from tests.support.dropping import Drops
from tests.support.erasing import Requests
from tests.support.functions import function
from tests.support.platform import BUS, LAKE, Platform, platform
from tests.support.rights import BY_LAMBDA, Call, Recorder, Rights
from tests.support.templates import stems, templates

FUNCTIONS = (
    "send_canary",
    "replay_waiting",
    "open_capture",
    "start_run",
    "plan_backfill",
    "check_schema",
    "manage_access",
    "change_subjects",
    "erase_subject",
    "import_file",
    "keep_access_logs",
)
FOR_ANOTHER = "AWS asks them of whoever opens capture into a stream"
MISSED = "without it a run's document that is not there is refused instead of missed"
MADE_BEFORE = "whoever meets a tenant first makes its key"
IN_SILVER = "of events that a run has taken into silver, of which there are none here"
UNUSED: dict[str, dict[Call, str]] = {
    "replay_waiting": {
        ("dynamodb:GetItem", "table/Events"): ONE_INTAKE,
        ("dynamodb:BatchGetItem", "table/SubjectKeys"): ONE_INTAKE,
        ("dynamodb:PutItem", "table/SubjectKeys"): ONE_INTAKE,
        ("dynamodb:BatchWriteItem", "table/Metadata"): ONE_INTAKE,
        ("kms:GenerateDataKey", "tenant-key"): ONE_INTAKE,
        ("kinesis:PutRecords", "log"): ONE_INTAKE,
        ("s3:PutObject", "lake/quarantine/*"): ONE_INTAKE,
        ("dynamodb:BatchGetItem", "table/Metadata"): TWO_REPLAYS,
    },
    "open_capture": {
        ("kinesis:PutRecord", "log"): FOR_ANOTHER,
        ("kinesis:PutRecords", "log"): FOR_ANOTHER,
    },
    "import_file": {
        **OF_BEFORE,
        ("kinesis:PutRecords", "log"): ONE_INTAKE,
        ("s3:PutObject", "lake/quarantine/*"): ONE_INTAKE,
        ("s3:DeleteObjectVersion", "lake/imports/*"): "the bucket here keeps no versions",
    },
    "plan_backfill": {("s3:ListBucket", "lake"): MISSED},
    "change_subjects": {
        ("kms:GenerateDataKey", "tenant-key"): MADE_BEFORE,
        ("s3:GetObject", "lake/privacy/exports/*"): "whoever has the link reads in the name of this function",
    },
    "erase_subject": {
        ("s3:DeleteObjectVersion", "lake/imports/*"): "nothing waits in the drop zone here",
        ("kms:GenerateDataKey", "tenant-key"): MADE_BEFORE,
        (
            "dynamodb:BatchGetItem",
            "table/Analytics",
        ): "of alerts that followed from events, of which there are none here",
        ("s3:GetObject", "lake/processed/*"): IN_SILVER,
        ("glue:GetTable", "catalog"): IN_SILVER,
        ("glue:GetTable", "database/silver"): IN_SILVER,
        ("glue:GetTable", "glue-table/silver/*"): IN_SILVER,
    },
    "manage_access": {
        ("kms:Decrypt", "tenant-key"): "the tenant's key is made in this story, and known from then on",
        (
            "sts:AssumeRole",
            "role/bi",
        ): "the platform here has no Lake Formation; test_access_api.py has an account",
    },
}
# Functions of which no page shows the rights yet, each with what is shown instead.
NOT_SHOWN = {
    "train_model": "deployed on the laptop only, where there are no rights",
    "build_training_set": "its actions are those of tests/infrastructure/test_functions.py; calls of DuckDB there are not recorded",
}
STREAM = "arn:aws:kinesis:us-east-1:111122223333:stream/events"


class Gateway(BaseHTTPRequestHandler):
    """Takes a canary as the platform does, and knows nothing of it afterwards."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        statuses = ("accepted", "accepted", "accepted", "rejected")
        self._answer(200, {"results": [{"status": status, "quarantineId": "q"} for status in statuses]})

    def do_GET(self) -> None:
        self._answer(404, {})

    def _answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def recorded(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, set[Call]]]:
    recorder = Recorder()
    with (
        platform(bundle) as running,
        recorder.installed(),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(custom_resource, "_answer", lambda *_: None)
        running.around = recorder.of
        assert running.call(
            "/v1/schemas/check", b"name: x", function="check_schema", content_type="text/yaml"
        )
        assert running.call("/v1/schemas/check", b"", function="check_schema", scopes="")["status"] == 403
        _administer(running, recorder)
        # A file is there that the erasure removes.
        rows = f"timestamp,orderId,userId,currency,totalAmount,items\n{events.moment()},o,u-9,EUR,4,ITEMS\n,,,,-1,\n"
        rows += f"{events.moment(timedelta(days=500))},o,u-9,EUR,4,ITEMS\n"
        items = '"[{""productId"": ""p"", ""quantity"": 2, ""price"": 2}]"'
        assert Drops(running).drop(rows.replace("ITEMS", items).encode())["history"] == 1
        _people(running, recorder)
        _canary(recorder)
        _start(recorder)
        _backfill(running, recorder)
        _open(recorder)
        _keep(running, recorder)
        # Last: from here on other contracts are in force.
        _replay(running, recorder, tmp_path_factory.mktemp("contracts"), patch)
        yield recorder.calls


def _keep(running: Platform, recorder: Recorder) -> None:
    """A batch of the gateway's access log, as CloudWatch Logs hands it on."""
    lines = [{"id": "1", "timestamp": 1_796_043_600_000, "message": '{"status":"202"}'}]
    text = json.dumps({"messageType": "DATA_MESSAGE", "logEvents": lines}).encode()
    batch = {"awslogs": {"data": base64.b64encode(gzip.compress(text)).decode()}}
    with recorder.of("keep_access_logs"):
        assert running.functions["keep_access_logs"](batch, None) == {"objects": 1}


def _administer(running: Platform, recorder: Recorder) -> None:
    """Each call of the administration, by somebody who may."""
    said = {
        "org": "org_acme",
        "principal": "admin",
        "scopes": " ".join(ACTIONS),
        "kind": "user",
        "id": "admin",
        "roles": "tenant-admin",
    }

    def call(route: str, body: object = None, **path: str) -> dict[str, Any]:
        event = {
            "routeKey": route,
            "pathParameters": path,
            "body": None if body is None else json.dumps(body),
            "requestContext": {"requestId": "r", "authorizer": {"lambda": said}},
        }
        with recorder.of("manage_access"):
            answer = running.functions["manage_access"](event, None)
        assert answer["statusCode"] == 200, answer
        found: dict[str, Any] = json.loads(answer["body"])
        return found

    for route in ("GET /v1/me", "GET /v1/tenants", "GET /v1/roles"):
        call(route)
    key = call("POST /v1/keys", {"name": "a", "scopes": ["events:read"]})
    new = call("POST /v1/keys/{id}/rotate", {}, id=key["id"])
    call("DELETE /v1/keys/{id}", id=new["id"])
    assert call("GET /v1/keys")["items"]
    for _ in ("said", "and said once more"):
        call("PUT /v1/subjects/{id}/consents/{purpose}", {"granted": True}, id="usr_1", purpose="marketing")
    assert call("GET /v1/subjects/{id}/consents", id="usr_1")["items"]
    for other in ("org_globex", "org_acme"):
        # The second time the user is in the pool already.
        said["org"] = other
        user = call("POST /v1/users", {"email": "ana@example.com", "roles": ["analyst"]})
    call("PATCH /v1/users/{id}", {"status": "disabled"}, id=user["id"])
    assert call("GET /v1/users")["items"]
    for other in ("org_globex", "org_acme"):
        said["org"] = other
        call("DELETE /v1/users/{id}", id=user["id"])


def _people(running: Platform, recorder: Recorder) -> None:
    """Somebody is exported and erased, with a refused event; somebody else is held, and erased by two executions."""
    running.around = lambda _: nullcontext()
    running.post([events.shipped_order(user=user) for user in ("u-1", "u-2")])
    # Refused alone, and together with somebody else's.
    for users in (["u-1"], ["u-1", "u-2"]):
        running.post([events.shipped_order(user=user, payload={"totalAmount": -1}) for user in users])
    running.settle()
    running.around = recorder.of
    requests = Requests(running)
    requests.ask("POST /v1/subjects/{id}/export", id="u-1", body={"reason": "any"})
    requests.carry_out()
    assert requests.ask("GET /v1/subjects/{id}/export", id="u-1")["body"]["link"]
    assert requests.erased("u-1")["certificate"]
    requests.ask("PUT /v1/subjects/{id}/hold", id="u-2", body={"reason": "any"})
    requests.ask("GET /v1/subjects/holds")
    requests.ask("DELETE /v1/subjects/{id}/hold", id="u-2")
    requests.ask("PUT /v1/subjects/{id}/restriction", id="u-2", body={"reason": "any"})
    requests.ask("GET /v1/subjects/signing-key")
    requests.ask("DELETE /v1/subjects/{id}", id="u-2")
    executions = running.states.list_executions(stateMachineArn=running.erasing)["executions"]
    for one in executions:
        running.states.stop_execution(executionArn=one["executionArn"])
    assert requests.ask("DELETE /v1/subjects/{id}", id="u-2")["status"] == 202, (
        "one that has ended is begun again"
    )


def _canary(recorder: Recorder) -> None:
    server = HTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    environ = {
        "ENVIRONMENT": "local",
        "LOG_LEVEL": "ERROR",
        "API_URL": f"http://127.0.0.1:{server.server_port}",
        "EVENT_BUS": BUS,
        "METADATA_TABLE": "Metadata",
        "WAIT_SECONDS": "0",
    }
    try:
        with function("send_canary", environ) as handler, recorder.of("send_canary"):
            assert handler({}, None)["checks"][0]["status"] == "ok"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _start(recorder: Recorder) -> None:
    machines = boto3.client("stepfunctions")
    role = "arn:aws:iam::123456789012:role/any"
    ends = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    arns = {
        # As Rights says a machine's name.
        f"{name.upper()}_MACHINE": machines.create_state_machine(
            name=name.replace("_", ""), definition=ends, roleArn=role
        )["stateMachineArn"]
        for name in MACHINES
    }
    given = {
        "hourly_etl": {"refresh": ["hourly"]},
        "backfill": {"from": "2026-11-01", "to": "2026-11-02"},
        "maintenance": {},
        "seal_tiles": {},
        "train_model": {"org": "org_acme", "model": "fraud"},
    }
    with function("start_run", {"ENVIRONMENT": "local", "LOG_LEVEL": "ERROR", **arns}) as handler:
        for machine in MACHINES:
            with recorder.of("start_run"):
                assert handler({"machine": machine, "input": given[machine]}, None)["started"]


def _backfill(running: Platform, recorder: Recorder) -> None:
    environ = {"ENVIRONMENT": "local", "LOG_LEVEL": "ERROR", "LAKE_BUCKET": LAKE}
    request = {"runId": "backfill-20261101_20261102-1", "from": "2026-11-01", "to": "2026-11-02"}
    with function("plan_backfill", environ) as handler, recorder.of("plan_backfill"):
        handler(request, None)
    assert running.objects("runs/backfill-")


def _open(recorder: Recorder) -> None:
    environ = {"ENVIRONMENT": "local", "EVENTS_TABLE": "Events", "EVENT_STREAM_ARN": STREAM}
    request = {"RequestType": "Create", "RequestId": "deploy-1", "LogicalResourceId": "CaptureOpened"}
    with Stubber(client("dynamodb")) as stub:
        for status in ("DISABLED", "ACTIVE"):
            found = [{"StreamArn": STREAM, "DestinationStatus": status}]
            stub.add_response(
                "describe_kinesis_streaming_destination",
                {"TableName": "Events", "KinesisDataStreamDestinations": found},
                {"TableName": ANY},
            )
            if status == "DISABLED":
                stub.add_response(
                    "enable_kinesis_streaming_destination",
                    {"TableName": "Events", "StreamArn": STREAM, "DestinationStatus": "ENABLING"},
                    {"TableName": "Events", "StreamArn": STREAM},
                )
        with function("open_capture", environ) as handler, recorder.of("open_capture"):
            handler(request, Context())
        stub.assert_no_pending_responses()


def _replay(running: Platform, recorder: Recorder, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """One event of a type that the next contracts have, and one of a type that nobody has."""
    early = events.health_check(eventType="shop.opened")
    running.around = lambda _: nullcontext()
    running.post([early, events.health_check(eventType="never.known")])
    new_contracts(folder, patch)
    running.restart_all()
    running.around = recorder.of
    running.deploy_contracts(Context())
    assert running.stored("org_acme", early["eventId"])


def test_every_function_was_recorded(recorded: dict[str, set[Call]]) -> None:
    assert set(recorded) == set(FUNCTIONS)
    assert {stem for stem, found in recorded.items() if not found} == set()


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


def test_every_function_s_rights_are_shown_somewhere() -> None:
    """A new function is called in a story of one of these pages, or stands in `NOT_SHOWN` with its reason."""
    pages = [page.read_text() for page in Path(__file__).parent.glob("test_*.py")]
    told = [page.partition("NOT_SHOWN = {")[0] for page in pages if "Rights(" in page]
    shown = {stem for stem in stems() if any(f'"{stem}"' in text for text in told)}
    assert set(stems()) - shown == set(NOT_SHOWN) & set(stems())
