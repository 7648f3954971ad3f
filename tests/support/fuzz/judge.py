"""What must hold for the answer to any request."""

import base64
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs
import orjson

from tests.support.fuzz.stores import Stores
from tests.support.openapi import DOCUMENT

STATUSES = frozenset(int(status) for status in DOCUMENT["paths"]["/v1/events"]["post"]["responses"])
COUNTS = {
    "accepted": "accepted",
    "duplicates": "duplicate",
    "conflicts": "conflict",
    "rejected": "rejected",
    "unavailable": "unavailable",
}


def _validator(name: str) -> Any:
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    )


@dataclass
class Judge:
    """Sends requests to a handler over `stores` and checks each answer."""

    handler: Any
    stores: Stores
    statuses: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    accepted_schema: Any = field(default_factory=lambda: _validator("Accepted"))
    problem_schema: Any = field(default_factory=lambda: _validator("Problem"))

    def send(self, event: dict[str, Any], down: frozenset[str] = frozenset()) -> dict[str, Any]:
        """The handler's answer.

        Raises:
            AssertionError: the answer breaks a promise.
        """
        stores = self.stores
        stores.down = down
        before = len(stores.rows) + stores.records
        kept = set(stores.index)
        answer: dict[str, Any] = self.handler(event, None)
        status = answer["statusCode"]
        self.statuses[status] += 1
        assert status in STATUSES, status
        body = json.loads(answer["body"])
        answer["body"].encode()
        assert answer["headers"]["x-request-id"] == event["requestContext"]["requestId"]
        if "results" not in body:
            assert answer["headers"]["content-type"] == "application/problem+json"
            assert self.problem_schema.is_valid(body), body
            assert body["status"] == status
            assert len(stores.rows) + stores.records == before
            return answer
        self._results(body, status)
        # A conflict and a duplicate change nothing; events of store none are records.
        written = len(stores.rows) + stores.records - before
        assert written <= body["accepted"] or "put_records" in down
        new = set(stores.index) - kept
        for result in body["results"]:
            if result["status"] in ("rejected", "conflict"):
                assert result["errors"]
                assert result["quarantineId"] in stores.index
                new.discard(result["quarantineId"])
            else:
                assert "quarantineId" not in result
        assert not new or "batch_write_item" in down, "kept what is not answered as kept"
        return answer

    def _results(self, body: dict[str, Any], status: int) -> None:
        assert self.accepted_schema.is_valid(body), [str(e) for e in self.accepted_schema.iter_errors(body)]
        results = body["results"]
        counts = Counter(result["status"] for result in results)
        self.outcomes += counts
        assert {name: counts[outcome] for name, outcome in COUNTS.items()} == {
            name: body[name] for name in COUNTS
        }
        assert [result["index"] for result in results] == list(range(len(results)))
        assert sum(body[name] for name in COUNTS) == len(results) > 0
        taken = counts["accepted"] + counts["duplicate"]
        refused = counts["rejected"] + counts["conflict"]
        expected = 207
        for whole, alone in ((taken, 202), (refused, 400), (counts["unavailable"], 503)):
            if whole == len(results):
                expected = alone
        assert status == expected


def events_in(event: dict[str, Any]) -> int | None:
    """How many events an uncompressed request holds, counted another way; None where that is not plain."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    if headers.get("content-encoding", "identity") != "identity" or not event.get("isBase64Encoded"):
        return None
    try:
        body = base64.b64decode(event.get("body") or "", validate=True)
    except ValueError:
        return None
    if headers.get("content-type", "").startswith("application/x-ndjson"):
        return sum(1 for line in body.split(b"\n") if line.strip())
    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError:
        # An array that is not JSON is taken apart by its brackets.
        return None if body.strip().startswith(b"[") else 1
    return len(whole) if isinstance(whole, list) else 1
