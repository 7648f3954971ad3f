"""Rows that grow by what clients send keep far from DynamoDB's 400 KB.

A user's row of fraud: tests/unit/fraud/test_row_bound.py. Events and its pointers are bounded by what intake accepts:
256 KB and keys bounded in bytes.
"""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from millrace.contracts.validator import MAX_ERRORS
from millrace.core import audit, clock
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import receipts
from millrace.privacy.tenant_box import TenantBox
from millrace.quarantine import entry as entries
from millrace.quarantine.entry import QuarantineEntry
from millrace.quarantine.mentions import PEOPLE
from millrace.quarantine.store import QuarantineStore
from tests.support import events
from tests.support.stores import MemoryDynamoDB

LIMIT = 400 * 1024
AT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def size(item: dict[str, dict[str, Any]]) -> int:
    """Bytes of an item, its numbers as text."""
    total = 0
    for name, held in item.items():
        ((_, value),) = held.items()
        for part in value if isinstance(value, list) else [value]:
            total += len(part) if isinstance(part, bytes) else len(str(part).encode())
        total += len(name) + 3
    return total


def test_a_receipt_takes_two_thousand_ids_a_row() -> None:
    ids = tuple(events.new_id() for _ in range(4001))
    where = receipts.place(AT, "shardId-000000000000", "1" * 56, "2" * 56, "integration-events")
    receipt = receipts.Receipt(
        "org", receipts.MANIFEST, "2026-11-21", where, AT, ids, "1", 0, "s3://" + "x" * 1024
    )
    rows = receipts.to_items(receipt)
    assert [int(row["rows"]["N"]) for row in rows] == [2000, 2000, 1]
    assert max(map(size, rows)) < LIMIT / 10


@pytest.mark.parametrize("name", ["x" * 250_000, "\N{PILE OF POO}" * 60_000, '"' * 120_000])
def test_an_index_row_of_quarantine_keeps_its_size_whatever_a_client_names_its_fields(name: str) -> None:
    errors = tuple(
        {"pointer": f"/data/payload/{name}/{number}", "code": "unknown_field", "message": "m" * 80}
        for number in range(MAX_ERRORS)
    )
    refused = [
        QuarantineEntry(
            "0" * 36,
            0,
            b"{}",
            errors,
            event_id="e" * 256,
            event_type="t" * 256,
            version="v" * 256,
            contract=None,
            users=frozenset(f"usr_{number}" for number in range(PEOPLE)),
        )
    ]
    document = orjson.loads(
        entries.to_object("org", "request", AT, "http", refused, lambda _: {}, lambda _: "m" * 22)
    )
    assert document["entries"][0]["errors"] == list(errors), "the object keeps them whole"
    (row,) = entries.to_rows(document, "key")
    assert size(row) < LIMIT / 4
    kept = orjson.loads(row["errors"]["S"])
    assert [error["code"] for error in kept] == ["unknown_field"] * MAX_ERRORS
    assert all(error["pointer"].startswith("/data/payload/") for error in kept)


def test_an_audit_row_of_a_huge_patch_keeps_its_size() -> None:
    metadata = Table(MemoryDynamoDB(), "Metadata")
    store = QuarantineStore(metadata, Objects(None, "lake"), TenantBox(None))  # type: ignore[arg-type]
    patch = [{"op": "add", "path": "/data/payload/x", "value": "v" * 3_000_000}]
    detail = {"replayed": 3, "state": "done"}
    store.audit("org", "replay", "me", "one", {**detail, "patch": patch}, clock.now())
    (row,) = (row for row in metadata.scan() if "detail" in row)
    assert size(row) < LIMIT / 4
    document = orjson.loads(row["detail"]["S"])
    assert document["replayed"] == 3
    assert document["patch"]["bytes"] > 3_000_000
    store.audit("org", "replay", "me", "two", {**detail, "patch": patch[:0]}, clock.now())
    last = audit.newest(metadata, "org")
    assert last is not None
    assert orjson.loads(last.detail) == {**detail, "patch": []}
