"""The custom resource as CloudFormation sees it: it always answers, and only a table that is captured is a success."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from botocore.stub import Stubber

from millrace.core.aws import client
from tests.support.functions import function

STREAM = "arn:aws:kinesis:us-east-1:111122223333:stream/events"
ENVIRON = {"ENVIRONMENT": "dev", "EVENTS_TABLE": "Events", "EVENT_STREAM_ARN": STREAM}


class CloudFormation:
    """Takes the answers that a custom resource puts to its response URL."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                outer.content_types.append(self.headers.get("content-type"))
                outer.answers.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def request(self, kind: str) -> dict[str, Any]:
        return {
            "RequestType": kind,
            "ResponseURL": f"http://127.0.0.1:{self._server.server_port}/answer?signature=a%2Bb",
            "StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/millrace-dev-ingestion/1",
            "RequestId": f"request-{kind}",
            "LogicalResourceId": "CaptureOpened",
            **({} if kind == "Create" else {"PhysicalResourceId": "CaptureOpened"}),
        }

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Context:
    """Lambda's context, with a given time left."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    server = CloudFormation()
    yield server
    server.close()


@pytest.fixture
def dynamodb() -> Iterator[Stubber]:
    """The function's own client; each call is held to the service's model and to the order given."""
    client.cache_clear()
    with Stubber(client("dynamodb")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()
    client.cache_clear()


def _looks(dynamodb: Stubber, status: str) -> None:
    dynamodb.add_response(
        "describe_kinesis_streaming_destination",
        {
            "TableName": "Events",
            "KinesisDataStreamDestinations": [{"StreamArn": STREAM, "DestinationStatus": status}],
        },
        {"TableName": "Events"},
    )


def test_create_and_update_open_it_once(cloudformation: CloudFormation, dynamodb: Stubber) -> None:
    _looks(dynamodb, "DISABLED")
    dynamodb.add_response(
        "enable_kinesis_streaming_destination",
        {"TableName": "Events", "StreamArn": STREAM, "DestinationStatus": "ENABLING"},
        {"TableName": "Events", "StreamArn": STREAM},
    )
    _looks(dynamodb, "ACTIVE")
    _looks(dynamodb, "ACTIVE")
    with function("open_capture", ENVIRON) as handler:
        for kind in ("Create", "Update"):
            handler(cloudformation.request(kind), Context(60))
    assert [answer["Status"] for answer in cloudformation.answers] == ["SUCCESS", "SUCCESS"]
    # An update that changed the physical id would make CloudFormation delete the old one.
    assert {answer["PhysicalResourceId"] for answer in cloudformation.answers} == {"CaptureOpened"}
    assert [answer["RequestId"] for answer in cloudformation.answers] == ["request-Create", "request-Update"]
    assert not any(cloudformation.content_types), "the signature covers an empty content type"


def test_one_that_never_becomes_active_fails_before_the_functions_time_is_up(
    cloudformation: CloudFormation, dynamodb: Stubber
) -> None:
    _looks(dynamodb, "ENABLING")
    with function("open_capture", ENVIRON) as handler:
        handler(cloudformation.request("Create"), Context(16))
    (answer,) = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert "ENABLING" in answer["Reason"]


def test_delete_touches_nothing_and_succeeds(cloudformation: CloudFormation) -> None:
    with function("open_capture", {"ENVIRONMENT": "dev"}) as handler:
        handler(cloudformation.request("Delete"), Context(60))
    assert [answer["Status"] for answer in cloudformation.answers] == ["SUCCESS"]


def test_a_table_that_is_not_there_is_a_failure_with_its_reason(
    cloudformation: CloudFormation, dynamodb: Stubber
) -> None:
    dynamodb.add_client_error("describe_kinesis_streaming_destination", "ResourceNotFoundException")
    with function("open_capture", ENVIRON) as handler:
        handler(cloudformation.request("Create"), Context(60))
    (answer,) = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert "describe capture of Events: ResourceNotFoundException" in answer["Reason"]


def test_missing_settings_are_a_failure_and_not_an_hour_of_silence(cloudformation: CloudFormation) -> None:
    with function("open_capture", {"ENVIRONMENT": "dev"}) as handler:
        handler(cloudformation.request("Create"), Context(60))
    (answer,) = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert "EVENTS_TABLE" in answer["Reason"]
