"""`millrace sources read`: a real PostgreSQL through the real intake, and what a second or an ended run changes."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from cli import database_reading
from cli.errors import UsageError
from cli.target import Target
from millrace.cdc.database import Database as Capture
from millrace.cdc.postgres import connect
from millrace.cdc.states import Lease, States
from millrace.compiler import table_changes
from millrace.contracts import registry
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from millrace.intake.accept import Intake
from tests.support.change_source import Killed
from tests.support.platform import ACME, LAKE, Platform
from tests.support.postgres import Database, Server, database

SCHEMAS = Path(__file__).parents[2] / "schemas"
MOMENT = "2026-01-01T00:00:00.000000Z"


class LocalTarget(Target):
    """The platform in process."""

    def client(self, service: str, **_: Any) -> Any:
        return boto3.client(service)


@pytest.fixture
def shop() -> Iterator[Database]:
    server = Server()
    try:
        server.start()
        with database(server) as found:
            found.run(
                "CREATE TABLE orders (id int PRIMARY KEY, note text)",
                "CREATE TABLE customers (id int PRIMARY KEY, email text)",
                "CREATE PUBLICATION millrace FOR TABLE orders, customers",
                "INSERT INTO orders SELECT n, 'note ' || n FROM generate_series(1, 20) n",
                "INSERT INTO customers VALUES (1, 'maria@example.org')",
            )
            yield found
    finally:
        server.close()


@pytest.fixture
def schemas(shop: Database, tmp_path: Path) -> Path:
    """Those of the repository with the source and the contracts of its tables, of which one has a confidential column."""
    folder = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, folder)
    source = {
        "name": "shop",
        "description": "Tables of the shop.",
        "org": ACME,
        "environments": ["local"],
        "kind": "postgres",
        "postgres": {"host": str(shop.server.folder), "database": shop.name, "user": "postgres"},
    }
    (folder / "sources/shop.yaml").write_text(yaml.safe_dump(source))
    session = connect(
        host=str(shop.server.folder),
        port=5432,
        database=shop.name,
        user="postgres",
        passwords=(),
        encrypted=False,
    )
    capture = Capture(session)
    for one in capture.tables("millrace"):
        rows = [values for _, values, _ in capture.chunk(one, None, 5)]
        made = table_changes.contract(one, capture.types(one), rows, domain="shop", moment=MOMENT)
        file = folder / "events/shop" / made.event_type / "v1.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(made.text)
    session.close()
    return folder


def target() -> Target:
    names = ("Events", "Metadata", "SubjectKeys")
    outputs = {f"{name}Table": name for name in names}
    kms = boto3.client("kms").list_keys()["Keys"][0]["KeyId"]
    return LocalTarget(
        "local",
        "http://127.0.0.1:1",
        {**outputs, "LakeBucket": LAKE, "EventStream": "events", "TenantKeyId": kms, "TypeShards": "1"},
    )


def stored(running: Platform) -> list[str]:
    return sorted(row["eventId"]["S"] for row in running.rows("Events"))


def test_a_database_comes_in_once(running: Platform, shop: Database, schemas: Path) -> None:
    report = database_reading.read(target(), schemas, "shop", lambda: 600.0)
    assert (report.status, report.message) == ("streaming", "")
    assert dict(report.outcomes) == {"accepted": 21}
    first = stored(running)
    assert len(first) == 21
    assert all(one.startswith(f"{ACME}#") for one in first)
    codec = Codec(registry.load().dictionary)
    payloads = [from_item(row, codec).envelope["data"]["payload"] for row in running.rows("Events")]
    emails = [one["after"]["email"] for one in payloads if "email" in one["after"]]
    assert [one[:3] for one in emails] == ["tk_"]
    again = database_reading.read(target(), schemas, "shop", lambda: 600.0)
    assert dict(again.outcomes) == {}
    assert stored(running) == first
    shop.run("UPDATE orders SET note = 'new' WHERE id < 4", "DELETE FROM customers")
    report = database_reading.read(target(), schemas, "shop", lambda: 600.0)
    assert dict(report.outcomes) == {"accepted": 4}
    assert len(stored(running)) == 25
    # Begun anew, the slot is another and so are the ids.
    database_reading.states(target()).forget(ACME, "shop")
    assert database_reading.read(target(), schemas, "shop", lambda: 600.0).outcomes["accepted"] == 20


def test_a_slot_that_was_dropped_stops_the_source(running: Platform, shop: Database, schemas: Path) -> None:
    database_reading.read(target(), schemas, "shop", lambda: 600.0)
    shop.run("SELECT pg_drop_replication_slot('millrace_local_shop')")
    report = database_reading.read(target(), schemas, "shop", lambda: 600.0)
    assert report.status == "stopped"
    assert "was dropped" in report.message
    with pytest.raises(UsageError, match="shop"):
        database_reading.read(target(), schemas, "shup", lambda: 600.0)


def test_a_run_that_was_killed_ends_in_the_same_events(
    running: Platform, shop: Database, schemas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = States.acquire
    at = datetime.now(UTC)
    monkeypatch.setattr(
        States,
        "acquire",
        lambda self, org, name, owner, _, seconds: taken(self, org, name, owner, at, seconds),
    )
    accept, calls = Intake.accept, count(1)

    def killed(self: Intake, *arguments: Any, **named: Any) -> Any:
        results = accept(self, *arguments, **named)
        if next(calls) == 1:
            raise Killed
        return results

    with monkeypatch.context() as patched:
        patched.setattr(Intake, "accept", killed)
        patched.setattr(Lease, "release", lambda _: None)
        with pytest.raises(Killed):
            database_reading.read(target(), schemas, "shop", lambda: 600.0)
    before = stored(running)
    assert before
    assert database_reading.read(target(), schemas, "shop", lambda: 600.0).status == "busy"
    at += timedelta(hours=1)
    report = database_reading.read(target(), schemas, "shop", lambda: 600.0)
    # The same request made again: it is told what it would have been told.
    assert dict(report.outcomes) == {"accepted": 21}
    assert len(stored(running)) == 21
    assert set(before) < set(stored(running))
