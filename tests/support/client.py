"""A deployed platform from outside: its HTTP API with the demo tenants' keys, and its stores, to look behind it."""

import io
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar
from unittest.mock import patch
from urllib.parse import urlencode

import localstack_client.session
import pyarrow.parquet as pq
import urllib3

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """Status, headers in lower case, and the JSON body."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Client:
    """Calls as clients do; `outputs` and `keys` are what `make up` writes."""

    def __init__(self, outputs: Mapping[str, str], keys: Mapping[str, str], endpoint: str) -> None:
        self.outputs, self.keys, self.endpoint = outputs, keys, endpoint
        self._raw: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._pool = urllib3.PoolManager(timeout=30, retries=False)

    def call(
        self,
        method: str,
        path: str,
        *,
        org: str | None = "org_acme",
        body: object = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Answer:
        """One call; `org=None` sends no credential, `key` another one than the tenant's."""
        url = f"{self.outputs['ApiUrl']}{path}" + (f"?{urlencode(query)}" if query else "")
        given = {"content-type": "application/json", **(headers or {})}
        credential = key or (self.keys[org] if org is not None else None)
        if credential is not None:
            given["authorization"] = f"Bearer {credential}"
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        response = self._pool.request(method, url, body=raw, headers=given)
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, found, json.loads(response.data) if response.data else None)

    def post(self, body: object, *, org: str = "org_acme", **headers: str) -> Answer:
        """Posts events."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", "/v1/events", org=org, body=body, headers=named)

    def get(self, path: str, *, org: str = "org_acme", **query: str) -> Answer:
        """A read."""
        return self.call("GET", path, org=org, query=query)

    @cached_property
    def _session(self) -> Any:
        # The variable that any local AWS is named by; localstack-client reads it when a session is made.
        with patch.dict(os.environ, AWS_ENDPOINT_URL=self.endpoint):
            return localstack_client.session.Session(aws_access_key_id="test", aws_secret_access_key="test")

    def aws(self, service: str) -> Any:
        """A client of the stores behind the API."""
        return self._session.client(service)

    def rows(self, output: str) -> list[dict[str, Any]]:
        """Every row of a table, by the name of its output."""
        pages = self.aws("dynamodb").get_paginator("scan").paginate(TableName=self.outputs[output])
        return [item for page in pages for item in page["Items"]]

    def raw(self) -> list[tuple[str, str]]:
        """Tenant of the path and event id, for each row of each Parquet object below `raw/events/`."""
        s3, bucket = self.aws("s3"), self.outputs["LakeBucket"]
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="raw/events/")
        rows = []
        for key, etag in [(one["Key"], one["ETag"]) for page in pages for one in page.get("Contents", [])]:
            # Tests look again and again, and what an object holds does not change.
            if (key, etag) not in self._raw:
                org = key.split("org=")[1].partition("/")[0]
                table = pq.read_table(io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
                assert set(table.column("org_id").to_pylist()) == {org}, key
                self._raw[key, etag] = [(org, event_id) for event_id in table.column("event_id").to_pylist()]
            rows += self._raw[key, etag]
        return rows


def eventually(
    look: Callable[[], T], until: Callable[[T], bool], *, seconds: float = 60, every: float = 0.25
) -> T:
    """Looks again until it is so; what was seen last otherwise, for the assertion to show.

    Args:
        look: what is seen now.
        until: whether that is enough.
        seconds: how long it may take.
        every: seconds between two looks at least; more where a look is work for the platform.
    """
    start = time.monotonic()
    while True:
        begun = time.monotonic()
        seen = look()
        now = time.monotonic()
        if until(seen) or now > start + seconds:
            return seen
        # A look keeps the platform from what it waits for: the longer it takes or was waited for, the later is the next.
        time.sleep(max(every, now - begun, (now - start) / 20))


def totals(answers: Sequence[Answer]) -> dict[str, int]:
    """The counts of several answers, added up."""
    names = ("accepted", "duplicates", "conflicts", "rejected", "unavailable")
    return {name: sum(answer.body[name] for answer in answers) for name in names}
