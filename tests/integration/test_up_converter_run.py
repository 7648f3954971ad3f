"""A newer major is fed from both through the hourly run: intake, archive, planner, workers and committer are the deployed ones."""

import json
import shutil
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from millrace.compiler.bundle import assemble_contracts
from millrace.core import clock
from millrace.iceberg import tables
from tests.integration.test_up_converter import FOLDER, NEW, OLD, write
from tests.support import events, majors
from tests.support.contracts import SCHEMAS
from tests.support.emulator import Lake, fresh, pointed_at
from tests.support.functions import function
from tests.support.machines import machine, run_functions
from tests.support.platform import ACME, GLOBEX, LAKE, Platform, platform

TODAY = clock.now().date()


@pytest.fixture
def both(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle in which the older major has an announced end, and the newer one says how the older becomes its own."""
    schemas, made = tmp_path / "schemas", tmp_path / "bundle"
    shutil.copytree(SCHEMAS, schemas)
    write(schemas)
    file = schemas / FOLDER / "v1.yaml"
    document = yaml.safe_load(file.read_text())
    end = majors.end(TODAY - timedelta(days=10), TODAY + timedelta(days=20))
    document["customProperties"].append({"property": "retirement", "value": end.to_json()})
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    assemble_contracts(schemas, made)
    for path in bundle.rglob("*"):
        copied = made / path.relative_to(bundle)
        if path.is_file() and not copied.exists():
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copied)
    monkeypatch.setenv("MILLRACE_BUNDLE", str(made))
    return made


@dataclass(frozen=True)
class Written:
    """What intake and archive have written so far."""

    metadata: list[dict[str, Any]]
    objects: dict[str, bytes]

    @classmethod
    def of(cls, running: Platform) -> "Written":
        running.settle()
        return cls(running.rows("Metadata"), dict(boto3.client("s3").objects))


def carry(lake: Lake, written: Written) -> None:
    """To the stores that a run reads."""
    theirs, ours = f"s3://{LAKE}/", f"s3://{lake.bucket}/"
    for row in written.metadata:
        moved = {name: {k: _moved(v, theirs, ours) for k, v in value.items()} for name, value in row.items()}
        lake.dynamodb.put_item(TableName="Metadata", Item=moved)
    for key, body in written.objects.items():
        lake.s3.put_object(Bucket=lake.bucket, Key=key, Body=body)


def _moved(value: Any, theirs: str, ours: str) -> Any:
    return value.replace(theirs, ours) if isinstance(value, str) else value


def run(lake: Lake, name: str) -> None:
    """The hourly run, with all that it starts, for silver alone."""
    environ = {**lake.environ, "MEMORY_MB": "1024", "EVENTS_TABLE": "Events"}

    def call(stem: str, payload: Any) -> Any:
        with function(stem, environ) as handler:
            return handler(payload, None)

    functions = {one: partial(call, stem) for one, stem in run_functions("hourly_etl").items()}
    ended = machine("hourly_etl", functions).run(name, {"refresh": []})
    summary = lake.s3.get_object(Bucket=lake.bucket, Key=f"runs/{name}/summary.json")["Body"].read()
    assert ended.status == "SUCCEEDED", str(json.loads(summary)["failures"])


def rows(lake: Lake, table: str, org: str) -> dict[str, dict[str, Any]]:
    """By event id, of which none is there twice."""
    opened = tables.open_table(tables.catalog(lake.environment, lake.bucket), table)
    assert opened is not None
    found = opened.table.scan(row_filter=f"org_id = '{org}'").to_arrow().to_pylist()
    assert len({row["event_id"] for row in found}) == len(found)
    return {row["event_id"]: row for row in found}


def old(**payload: Any) -> dict[str, Any]:
    return events.order(version="1", payload=payload)


def new(total: float, **changes: Any) -> dict[str, Any]:
    event = events.order(version="2", **changes)
    payload = {k: v for k, v in event["data"]["payload"].items() if k not in ("totalAmount", "currency")}
    payload |= {"total": total, "currency": "dollar", "origin": {"system": "v2"}}
    return {**event, "data": {**event["data"], "payload": payload}}


def statuses(running: Platform, sent: list[dict[str, Any]], org: str) -> list[str]:
    return [result["status"] for result in running.post(sent, org=org)["body"]["results"]]


def test_both_majors_are_accepted_and_the_newer_table_has_each_event_once(both: Path, emulator: str) -> None:
    olds = {org: [old() for _ in range(4)] for org in (ACME, GLOBEX)}
    news = {org: [new(5.25) for _ in range(3)] for org in (ACME, GLOBEX)}
    late = [old(), new(7)]
    with platform(both, in_memory=True) as running:
        for org in (ACME, GLOBEX):
            sent = [*olds[org], *news[org]]
            assert statuses(running, sent, org) == ["accepted"] * 7
            assert statuses(running, sent, org) == ["duplicate"] * 7
            # The id of an event is taken, whichever major it is sent under.
            again = new(5.25, eventId=olds[org][0]["eventId"])
            assert statuses(running, [again], org) == ["conflict"]
        first = Written.of(running)
        assert statuses(running, [olds[ACME][1], *late], ACME) == ["duplicate", "accepted", "accepted"]
        second = Written.of(running)
    with pointed_at(emulator):
        lake = fresh(emulator)
        carry(lake, first)
        run(lake, "first")
        for org in (ACME, GLOBEX):
            check(lake, org, olds[org], news[org])
        before = rows(lake, NEW, GLOBEX)
        carry(lake, second)
        run(lake, "second")
        check(lake, ACME, [*olds[ACME], late[0]], [*news[ACME], late[1]])
        assert rows(lake, NEW, GLOBEX) == before


def check(lake: Lake, org: str, olds: list[dict[str, Any]], news: list[dict[str, Any]]) -> None:
    """Each table has each event of its own once, and the newer one those of the older in its own form."""
    found, of_old = rows(lake, NEW, org), rows(lake, OLD, org)
    assert of_old.keys() == {event["eventId"] for event in olds}
    assert found.keys() == {event["eventId"] for event in (*olds, *news)}
    for event in olds:
        row, payload = found[event["eventId"]], event["data"]["payload"]
        assert (float(row["total"]), row["origin_system"]) == (payload["totalAmount"], "v1")
        assert row["contract"].startswith("order.created/1.")
    for event in news:
        row = found[event["eventId"]]
        assert (float(row["total"]), row["origin_system"]) == (event["data"]["payload"]["total"], "v2")
        assert row["contract"] == "order.created/2.0.0"
