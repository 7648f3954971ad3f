"""The function that reads databases, as its schedule calls it: a real PostgreSQL, and what is told of it."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from millrace.cdc import postgres, reading
from millrace.cdc.states import States
from millrace.compiler.bundle import assemble_contracts
from millrace.compiler.sources import compile_sources
from millrace.contracts.registry import Registry
from millrace.core import aws, clock
from millrace.core import bundle as names
from millrace.core.errors import RetryableError
from millrace.core.metrics import NAMESPACE
from millrace.webhooks.secrets import SecretStore, prefix
from tests.integration.test_sources import change, listed
from tests.integration.test_sources_read import schemas, shop, stored  # noqa: F401  fixtures
from tests.support.platform import ACME, GLOBEX, Platform
from tests.support.postgres import Database
from tests.support.rights import BY_LAMBDA, Recorder, Rights
from tests.support.templates import templates

NAME = "shop"
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 600_000, aws_request_id="first")
OTHER = SimpleNamespace(get_remaining_time_in_millis=lambda: 600_000, aws_request_id="second")


@pytest.fixture
def compiled(bundle: Path, schemas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """What is deployed has the source and its contracts."""
    folder, contracts = tmp_path / "bundle", tmp_path / "contracts"
    shutil.copytree(bundle, folder)
    assemble_contracts(schemas, contracts)
    shutil.copytree(contracts, folder, dirs_exist_ok=True)
    providers = json.loads((bundle / names.WEBHOOKS).read_bytes())
    sources = compile_sources(schemas, Registry(folder).contracts, providers)
    (folder / names.SOURCES).write_text(json.dumps(sources))
    monkeypatch.setenv("MILLRACE_BUNDLE", str(folder))
    return folder


@pytest.fixture
def read(running: Platform, compiled: Path) -> Any:
    return lambda context=CONTEXT, source=NAME: running.functions["read_databases"](
        {"source": source}, context
    )


def test_a_database_is_read_each_minute_and_said_to_be_so(
    running: Platform,
    shop: Database,  # noqa: F811
    read: Any,
) -> None:
    new = {"status": "new", "reason": None, "lagBytes": None, "readAt": None}
    assert listed(running, ACME)[NAME]["reading"] == new
    first = read()
    assert (first["status"], first["accepted"]) == ("streaming", 21)
    assert read() == {"source": NAME, "org": ACME, "status": "streaming", "reason": ""}
    shop.run("UPDATE orders SET note = 'new' WHERE id < 4", "DELETE FROM customers")
    assert read()["accepted"] == 4
    assert len(stored(running)) == 25
    shown = listed(running, ACME)[NAME]
    assert (shown["kind"], shown["state"], shown["path"]) == ("postgres", "active", None)
    assert shown["reading"]["status"] == "streaming"
    assert shown["reading"]["readAt"]
    assert NAME not in listed(running, GLOBEX)
    assert read(source="gone") == {"source": "gone", "status": "unknown"}


def test_a_paused_source_is_not_read_and_goes_on_where_it_was(
    running: Platform,
    shop: Database,  # noqa: F811
    read: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("millrace.feeders.states.KEPT_SECONDS", 0.0)
    read()
    assert change(running, "pause", NAME, org=GLOBEX)["status"] == 404
    assert change(running, "pause", NAME)["body"]["state"] == "paused"
    shop.run("INSERT INTO orders VALUES (100, 'meanwhile')")
    assert read()["status"] == "paused"
    assert listed(running, ACME)[NAME]["state"] == "paused"
    assert len(stored(running)) == 21
    assert change(running, "resume", NAME)["body"]["reading"]["status"] == "streaming"
    assert read()["accepted"] == 1


def test_a_source_that_is_stopped_says_why_and_takes_nothing(
    running: Platform,
    shop: Database,  # noqa: F811
    read: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read()
    assert metrics(capsys) == {reading.HALTED: 0.0, reading.BEHIND: 0.0, reading.LOG: ...}
    shop.run("SELECT pg_drop_replication_slot('millrace_local_shop')")
    stopped = read()
    assert stopped["status"] == "stopped"
    assert "was dropped" in stopped["reason"]
    assert metrics(capsys) == {reading.HALTED: 1.0}
    shown = listed(running, ACME)[NAME]["reading"]
    assert (shown["status"], shown["reason"]) == ("stopped", stopped["reason"])


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Of the last line of metrics; a number that depends on the server is an ellipsis."""
    lines = [line for line in capsys.readouterr().out.splitlines() if f'"{NAMESPACE}"' in line]
    document = json.loads(lines[-1])
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert [sorted(one) for one in directive["Dimensions"]] == [["environment", "service", "source"]]
    assert (document["service"], document["source"]) == (reading.SERVICE, NAME)
    names = [one["Name"] for one in directive["Metrics"]]
    return {name: ... if name == reading.LOG else document[name][0] for name in names}


# Allowed and not used here: these changes meet nobody who was erased, and none is refused.
UNUSED = {
    ("dynamodb:GetItem", "table/Events"),
    ("dynamodb:BatchWriteItem", "table/Metadata"),
    ("kinesis:PutRecords", "log"),
    ("s3:PutObject", "lake/quarantine/*"),
    # The tenant's key is made in this story, and known from then on.
    ("kms:Decrypt", "tenant-key"),
}


def test_a_role_allows_what_a_run_asks_and_little_more(running: Platform, read: Any) -> None:
    recorder = Recorder()
    with recorder.installed(), recorder.of("read_databases"):
        assert read()["accepted"] == 21
    asked = recorder.calls["read_databases"]
    rights = Rights(templates("prod"), "read_databases")
    assert [one for one in sorted(asked) if not rights.allow(one)] == []
    assert {one for one in rights.unused(asked) if one[0] not in BY_LAMBDA} <= UNUSED


def test_a_change_that_is_refused_is_in_quarantine_once_and_the_reader_goes_on(
    running: Platform,
    shop: Database,  # noqa: F811
    read: Any,
    compiled: Path,
) -> None:
    read()
    # A column of another type than the contract's, as a deploy of the shop may leave it.
    shop.run("ALTER TABLE orders ALTER note TYPE int USING 7", "INSERT INTO orders VALUES (200, 9)")
    first = read()
    assert first["rejected"] >= 1
    assert read()["status"] == "streaming"
    kept = running.get("/v1/quarantine")["body"]["items"]
    assert len(kept) == first["rejected"]
    assert kept[0]["eventType"] == "public.orders.changed"


def test_a_second_run_beside_the_first_takes_nothing(running: Platform, read: Any) -> None:
    states = States(aws_table(running))
    lease = states.acquire(ACME, NAME, "another", clock.now(), 180)
    assert lease is not None
    assert read()["status"] == "busy"
    lease.release()
    assert read(OTHER)["accepted"] == 21


def aws_table(running: Platform) -> Any:
    from millrace.core.table import Table

    return Table(running.dynamodb, "Metadata")


def test_a_database_or_a_store_that_does_not_answer_is_no_error_of_the_function(
    running: Platform, read: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its schedule calls it again in a minute; that nothing was read is seen by the silence of its metrics."""

    def connect(**_: Any) -> Any:
        raise RetryableError("the database does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(reading, "connect", connect)
        failed = read()
    assert (failed["status"], failed["message"]) == ("failed", "the database does not answer")
    assert NAMESPACE not in capsys.readouterr().out
    assert read(OTHER)["accepted"] == 21


def test_the_password_is_the_newest_of_the_source_and_then_the_one_before(
    running: Platform, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, given = SecretStore(boto3.client("secretsmanager"), prefix("local")), []
    store.set(NAME, "old", clock.now(), timedelta())
    store.set(NAME, "new", clock.now(), timedelta(hours=1))
    connect = postgres.connect

    def noted(**how: Any) -> Any:
        given.append(how["passwords"])
        return connect(**how)

    monkeypatch.setattr(reading, "connect", noted)
    assert read()["accepted"] == 21
    assert given == [("new", "old")]
    aws.client.cache_clear()
