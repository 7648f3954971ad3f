"""The calls of functions to AWS, in IAM's names, and what the synthesized roles allow.

Every client of boto3 is watched in process, those of libraries too. DuckDB and Arrow read and write S3 with clients of
their own, which no hook in Python sees: `tests/support/s3_watch.py` stands between them and the emulator and calls `note`.

To compare the rights of another function: call it inside `recorder.of(stem)` in one of the stories of
`tests/integration/test_rights*.py` and add its stem to that page's `FUNCTIONS`. What its role allows beyond its calls
fails the test: remove it from the function's settings, or add it to the page's `UNUSED` with its reason.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

from tests.support.templates import Templates, as_list

Call = tuple[str, str]
"""An IAM action and a resource in the words of `_shown`: `table/Events`, `lake/raw/…`, `bus`."""

# Operations whose action has another name.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "sqs:SendMessageBatch": ("sqs:SendMessage",),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:DeleteObjects": ("s3:DeleteObject",),
    "s3:CopyObject": ("s3:GetObject", "s3:PutObject"),
    "s3:CreateMultipartUpload": ("s3:PutObject",),
    "s3:UploadPart": ("s3:PutObject",),
    "s3:CompleteMultipartUpload": ("s3:PutObject",),
}
_SERVICES = {"stepfunctions": "states"}
# Logical ids in the words of this page.
_WORDS = (
    (re.compile(r"GetAtt(\w+?)Table[0-9A-F]{8}StreamArn"), r"stream-of/\1"),
    (re.compile(r"GetAtt(\w+?)Table[0-9A-F]{8}Arn"), r"table/\1"),
    (re.compile(r"GetAttLakeBucket[0-9A-F]{8}Arn"), "lake"),
    # In prod only; elsewhere it is the lake.
    (re.compile(r"GetAttAuditBucket[0-9A-F]{8}Arn"), "lake"),
    (re.compile(r"GetAttEventLog[0-9A-F]{8}Arn"), "log"),
    (re.compile(r"GetAttBus[0-9A-F]{8}Arn"), "bus"),
    (re.compile(r"WaitingQueue[0-9A-F]{8}"), "waiting-queue"),
    (re.compile(r"GetAttTenantKey[0-9A-F]{8}Arn"), "tenant-key"),
    (re.compile(r"GetAttSigningKey[0-9A-F]{8}Arn"), "signing-key"),
    (re.compile(r"Ref(\w+?)Machine[0-9A-F]{16}"), r"machine/\1"),
    (re.compile(r"GetAttDataKey[0-9A-F]{8}Arn"), "data-key"),
    (re.compile(r"GetAttUsers[0-9A-F]{8}Arn"), "user-pool"),
)

# Of Lambda itself: logs, failed invocations, reading of streams and queues. No code of a function asks for these.
BY_LAMBDA = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
    "kinesis:ListStreams",
    "kinesis:SubscribeToShard",
}


@dataclass
class Recorder:
    """Collects the calls of a function while it runs, those of its threads too."""

    calls: dict[str, set[Call]] = field(default_factory=dict)
    _function: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def installed(self) -> Iterator["Recorder"]:
        """Watches every client, those that exist already too."""
        real = BaseClient._make_api_call

        def watched(client: Any, operation: str, params: Any) -> Any:
            self._record(client.meta.service_model.service_name, operation, params)
            return real(client, operation, params)

        with patch.object(BaseClient, "_make_api_call", watched):
            yield self

    @contextmanager
    def of(self, function: str) -> Iterator[None]:
        """Calls made inside are that function's."""
        before, self._function = self._function, function
        self.calls.setdefault(function, set())
        try:
            yield
        finally:
            self._function = before

    def note(self, action: str, resource: str) -> None:
        """Records a call of a client that is not boto3's."""
        if self._function is not None:
            with self._lock:
                self.calls[self._function].add((action, resource))

    def _record(self, service: str, operation: str, params: Mapping[str, Any]) -> None:
        if self._function is None:
            return
        name = f"{_SERVICES.get(service, service)}:{operation}"
        if operation == "DeleteObjects" and all("VersionId" in one for one in params["Delete"]["Objects"]):
            name = "s3:DeleteObjectVersion"
        if operation == "TransactWriteItems":
            # Each of its parts needs the right of that part.
            calls = {
                (f"dynamodb:{kind}Item", f"table/{part['TableName']}")
                for one in params["TransactItems"]
                for kind, part in one.items()
            }
        else:
            calls = {
                (action, resource)
                for action in _ACTIONS.get(name, (name,))
                for resource in _resources(service, operation, params)
            }
        with self._lock:
            self.calls[self._function] |= calls


def _resources(service: str, operation: str, params: Mapping[str, Any]) -> list[str]:
    match service:
        case "dynamodb" if "RequestItems" in params:
            return [f"table/{name}" for name in params["RequestItems"]]
        case "dynamodb":
            index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
            return [f"table/{params['TableName']}{index}"]
        case "s3" if operation == "DeleteObjects":
            return [f"lake/{one['Key']}" for one in params["Delete"]["Objects"]]
        case "s3":
            return [f"lake/{params['Key']}" if "Key" in params else "lake"]
        case "glue":
            database = str(params.get("DatabaseName") or params.get("Name"))
            table = params.get("Name") if "DatabaseName" in params else None
            table = table or params.get("TableInput", {}).get("Name")
            layer = "_".join(database.split("_")[2:])
            return ["catalog", f"database/{layer}", *([f"glue-table/{layer}/{table}"] if table else [])]
        case "kinesis":
            return ["log"]
        case "kms":
            return ["signing-key" if operation in {"Sign", "GetPublicKey"} else "tenant-key"]
        case "events":
            return ["bus"]
        case "sqs":
            return [f"{str(params['QueueUrl']).rsplit('/', 1)[-1]}-queue"]
        case "cognito-idp":
            return ["user-pool"]
        case "stepfunctions":
            return [f"machine/{str(params['stateMachineArn']).rsplit(':', 1)[-1]}"]
        case _:
            # Secrets are recorded on the laptop, and compared with each environment's.
            secret = str(params.get("SecretId", ""))
            return [f"secret/{secret.removeprefix('millrace/local/')}" if secret else f"{service}/unknown"]


class Rights:
    """The Allow statements of one function's role, in one environment."""

    def __init__(self, templates: Templates, stem: str) -> None:
        self._allowed: list[Call] = [
            (action, _shown(resource, templates.environment))
            for statement in templates.rights(stem)
            # What comes with another right: the key with data, and to learn that an object is missing with reading.
            if not any(key in str(statement.get("Condition")) for key in ("kms:ViaService", "s3:prefix"))
            for action in as_list(statement["Action"])
            for resource in as_list(statement["Resource"])
        ]

    def allow(self, call: Call) -> bool:
        """Whether a statement names the action and the resource."""
        action, resource = call
        return any(action == named and fnmatchcase(resource, pattern) for named, pattern in self._allowed)

    def unused(self, calls: set[Call]) -> set[Call]:
        """What is allowed and used by none of these calls."""
        return {
            (action, pattern)
            for action, pattern in self._allowed
            if not any(action == done and fnmatchcase(resource, pattern) for done, resource in calls)
        }


def _shown(resource: Any, environment: str) -> str:
    """A resource of a template in the words in which calls are noted."""
    if isinstance(resource, dict) and "Fn::Join" in resource:
        text = "".join(_shown(part, environment) for part in resource["Fn::Join"][1])
        if re.search(r":role/millrace-\w+-bi-\*$", text):
            return "role/bi"
        if (secret := re.search(r":secretsmanager:.*:secret:millrace/\w+/(.*)$", text)) is not None:
            return f"secret/{secret[1]}"
        glue = re.search(r":glue:.*:(catalog|database/.*|table/.*)$", text)
        if glue is None:
            return text
        name = glue[1].replace(f"millrace_{environment}_", "")
        return f"glue-{name}" if name.startswith("table/") else name
    text = json.dumps(resource) if not isinstance(resource, str) else resource
    for pattern, word in _WORDS:
        if match := pattern.search(text):
            return match.expand(word)
    if machine := re.search(r'"Ref": "(\w+?)Machine[0-9A-F]{8}"', text):
        return f"machine/{machine[1]}"
    return text
