"""Runs of `millrace protect`: whatever ends them, whoever runs them, however many rows there are, it ends the same."""

import contextlib
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from cli.main import run
from cli.protecting.run import PROGRESS, STAGES, Protecting
from millrace.archive.archive import Archive
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import pending
from millrace.eventstore.codec import Codec
from millrace.eventstore.projection import Projection
from millrace.eventstore.row import from_item
from millrace.privacy.identities import is_number
from tests.support import before, events
from tests.support.platform import ACME, GLOBEX, LAKE, Platform, platform
from tests.support.protecting import (
    TABLES,
    clear,
    in_clear,
    protecting,
    raw_rows,
    some,
)
from tests.support.state_machine import Killed


@pytest.fixture(scope="module")
def one(bundle: Path) -> Iterator[Platform]:
    with platform(bundle, in_memory=True, scoring=True) as made:
        yield made


@pytest.fixture
def running(one: Platform) -> Platform:
    one.empty()
    one.restart_all()
    return one


def test_a_second_run_changes_nothing_and_new_events_are_none_of_its_business(running: Platform) -> None:
    clear(running, some())
    protecting(running).run()
    running.post(some())
    running.settle()
    kept = [running.rows(name) for name in ("Events", "UserEvents", "FeatureStore")], running.objects("raw/")
    done = protecting(running).run()
    assert [one.rewritten for one in done.values()] == [0] * len(STAGES)
    again = [running.rows(name) for name in ("Events", "UserEvents", "FeatureStore")], running.objects("raw/")
    assert again == kept


def test_a_dry_run_counts_what_a_run_rewrites_and_changes_nothing(running: Platform) -> None:
    clear(running, some())
    names = ("Events", "UserEvents", "FeatureStore", "SubjectKeys", "Metadata")
    kept = [running.rows(name) for name in names], running.objects("")
    counted = protecting(running, is_dry=True).run()
    assert ([running.rows(name) for name in names], running.objects("")) == kept
    done = protecting(running).run()
    assert {name: one.rewritten for name, one in counted.items()} == {
        name: one.rewritten for name, one in done.items()
    }
    assert counted["raw"].objects == done["raw"].objects > 0


def test_the_command_says_what_it_did_and_is_in_the_audit(
    running: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clear(running, some())
    outputs = {f"{name}Table": name for name in (*TABLES, "Metadata")}
    outputs |= {"LakeBucket": LAKE, "TenantKeyId": running.kms_key}
    clients = {"dynamodb": running.dynamodb, "s3": running.s3, "kms": running.kms}
    target = SimpleNamespace(client=lambda name, **_: clients[name], output=lambda name: outputs[name])
    monkeypatch.setattr("cli.commands.protect.find_target", lambda _: target)
    monkeypatch.setattr("cli.commands.rebuild._registry", registry.load)
    assert run(["protect", "--org", "org_of_nobody"]) == 2
    capsys.readouterr()
    assert run(["protect", "--dry-run", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert counted["dryRun"]
    assert run(["protect", "--rate", "10000", "--json"]) == 0
    done = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {name: done[name]["rewritten"] for name in STAGES} == {
        name: counted[name]["rewritten"] for name in STAGES
    }
    assert done["raw"]["days"] > 0
    assert in_clear(running) == []
    lines = [row for row in running.rows("Metadata") if row.get("action") == {"S": "privacy.protect"}]
    assert [row["entityTypeKey"]["S"] for row in lines] == [f"{ACME}#audit#chain"]
    row = next(row for row in running.rows("Events") if row["orgId"]["S"] == ACME)
    running.dynamodb.put_item(TableName="Events", Item={**row, "body": {"B": b"damaged"}})
    assert run(["protect"]) == 1
    assert "1 row" in capsys.readouterr().err


def test_one_tenant_alone(running: Platform) -> None:
    clear(running, some())
    clear(running, some(), GLOBEX)
    theirs = [row for row in running.rows("Events") if row["orgId"]["S"] == GLOBEX]
    raw = running.objects(f"raw/events/org={GLOBEX}/")
    protecting(running, org=ACME).run()
    assert [row for row in running.rows("Events") if row["orgId"]["S"] == GLOBEX] == theirs
    assert running.objects(f"raw/events/org={GLOBEX}/") == raw
    protecting(running, org=GLOBEX).run()
    assert in_clear(running) == []


WRITES = ("put_item", "transact_write_items", "delete_item", "put_object", "update_item", "batch_write_item")


@pytest.mark.parametrize("took_effect", [False, True])
@pytest.mark.parametrize("write", WRITES)
def test_a_run_that_ends_anywhere_is_begun_again_and_ends_the_same(
    running: Platform, write: str, took_effect: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = some()
    clear(running, mine)
    client = running.s3 if write == "put_object" else running.dynamodb
    real, calls = getattr(client, write), 0

    def dying(**request: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls % 2 == 0:
            if took_effect:
                real(**request)
            raise Killed
        return real(**request)

    # A transaction in memory writes by what the call is made of, and is one call.
    dying.__wrapped__ = real.__wrapped__  # type: ignore[attr-defined]
    monkeypatch.setattr(client, write, dying)
    ended = 0
    for _ in range(60):
        try:
            protecting(running).run()
            break
        except Killed:
            ended += 1
    monkeypatch.undo()
    assert ended > 0
    assert in_clear(running) == []
    assert running.objects(PROGRESS) == {}
    assert len(running.rows("UserEvents")) == len({row["sortKey"]["S"] for row in running.rows("UserEvents")})
    running.restart_all()
    assert running.post([*mine[:5], mine[6]])["body"]["duplicates"] == 6
    assert {one.day for one in pending.read(Table(running.dynamodb, "Metadata"), ACME)}


def test_no_older_version_is_left_wherever_a_run_ends(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear(running, some())
    s3 = boto3.session.Session(region_name="us-east-1").client("s3")
    s3.create_bucket(Bucket=LAKE)
    s3.put_bucket_versioning(Bucket=LAKE, VersioningConfiguration={"Status": "Enabled"})
    for key, body in running.objects("raw/").items():
        s3.put_object(Bucket=LAKE, Key=key, Body=body)
    metadata, work = Table(running.dynamodb, "Metadata"), protecting(running)
    versioned = replace(work.raw, lake=Objects(s3, LAKE))
    with monkeypatch.context() as ending:
        ending.setattr(Objects, "purge", lambda *_, **__: (_ for _ in ()).throw(Killed()))
        for key in running.objects("raw/"):
            with contextlib.suppress(Killed):
                versioned.rewrite(key)
    # Meanwhile a run of silver took what was pending.
    for day in pending.read(metadata, ACME):
        pending.clear(metadata, day.org, day.day, day.token)
    again = replace(versioned)
    assert [again.rewrite(key).rewritten for key in running.objects("raw/")] == [0] * len(
        running.objects("raw/")
    )
    held = s3.list_object_versions(Bucket=LAKE)["Versions"]
    assert [one["Key"] for one in held] == [*running.objects("raw/")]
    bodies = [s3.get_object(Bucket=LAKE, Key=one["Key"], VersionId=one["VersionId"]) for one in held]
    assert "usr_marked" not in repr(raw_rows(one["Body"].read() for one in bodies))
    assert pending.read(metadata, ACME) != []


def test_it_goes_on_where_it_ended(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    clear(running, some())
    first, seen = protecting(running), []
    real = first.raw.rewrite

    def ending(key: str) -> Any:
        seen.append(key)
        if len(seen) == 2:
            raise RuntimeError("stopped")
        return real(key)

    monkeypatch.setattr(type(first.raw), "rewrite", lambda _, key: ending(key))
    with pytest.raises(RuntimeError):
        first.run()
    monkeypatch.undo()
    second = protecting(running)
    looked: list[str] = []
    again = type(second.raw).rewrite

    def noting(raw: Any, key: str) -> Any:
        looked.append(key)
        return again(raw, key)

    def refused(*_: Any) -> Any:
        raise AssertionError("looks at what is done")

    monkeypatch.setattr(Protecting, "_events", refused)
    monkeypatch.setattr(type(second.raw), "rewrite", noting)
    done = second.run()
    assert seen[0] not in looked
    assert looked[0] == seen[1]
    assert done["events"] == first.counts["events"]
    assert in_clear(running) == []


def test_thousands_of_rows_of_two_tenants(running: Platform) -> None:
    rng = random.Random(7)
    sent = {org: events.mixed(1500, rng) for org in (ACME, GLOBEX)}
    with before.unprotected():
        for org, given in sent.items():
            for start in range(0, len(given), 500):
                running.post(given[start : start + 500], org=org)
    contracts, now = registry.load(), clock.now()
    lake, metadata = Objects(running.s3, LAKE), Table(running.dynamodb, "Metadata")
    archive = Archive(lake, metadata, Codec(contracts.dictionary))
    user_events = Table(running.dynamodb, "UserEvents")
    projection = Projection(user_events, Codec(contracts.dictionary), contracts.of_ref)
    rows = running.rows("Events")
    for start in range(0, len(rows), 500):
        some = enumerate(rows[start : start + 500], start)
        batch = [Delivery(row, "shard", f"{place:09}", now, {}) for place, row in some]
        archive.write(batch)
        projection.project(batch)
    done = protecting(running).run()
    assert done["events"].rewritten == done["raw"].rewritten == 2 * 1000
    found = [from_item(row, Codec(registry.load().dictionary)).envelope for row in running.rows("Events")]
    for org, given in sent.items():
        people = {str(user) for one in given if (user := _user(one)) is not None}
        numbers = {one["userId"] for one in found if one["platform"]["orgId"] == org and "userId" in one}
        assert all(map(is_number, numbers))
        assert len(numbers) == len(people)
        pointers = {row["userKey"]["S"] for row in running.rows("UserEvents")}
        assert {one for one in pointers if one.startswith(f"{org}#")} == {f"{org}#{one}" for one in numbers}


def _user(event: dict[str, Any]) -> Any:
    payload = event["data"]["payload"]
    return payload.get("userId", payload.get("user_id"))
