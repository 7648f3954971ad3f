"""On the deployed platform: workers killed with SIGKILL, a dead letter fed again, tables made again from the lake."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.client import Client as Producer
from tests.e2e.conftest import ROOT, command
from tests.support import events
from tests.support.client import Client, eventually
from tests.support.rows import pointed_at

ORGS = ("org_acme", "org_globex")
# A worker is there at once after an answer; after a kill, when the emulator has started it again for the batch.
KILLING_SECONDS = 30.0


# What a producer writes with the types of its platform; it dies by SIGKILL as soon as a first batch was answered.
PRODUCER = """
import json, os, signal, sys, time
from shop_events import Events

url, key, file, ids = json.loads(sys.argv[1])
events = Events(url, key, buffer=file)
line = {"productId": "sku_1", "quantity": 2, "price": 10.5}
for number, event_id in enumerate(ids):
    payload = {"orderId": f"ord_{number}", "userId": "usr_1", "items": [line], "totalAmount": 21, "currency": "EUR"}
    events.order_created_v1(payload, user_id="usr_1", event_id=event_id)
while not events.counts.taken:
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


def workers(environ: dict[str, str], stem: str) -> list[int]:
    """Processes that the session's own emulator runs a function in."""
    parent = json.loads((Path(environ["MILLRACE_LOCAL"]) / "ministack.pid").read_text())["pid"]
    wanted = stem.replace("_", "").encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
            given = dict(
                pair.split(b"=", 1) for pair in (folder / "environ").read_bytes().split(b"\0") if b"=" in pair
            )
        except OSError:
            continue
        if f"\nPPid:\t{parent}\n" in status and wanted in given.get(b"AWS_LAMBDA_FUNCTION_NAME", b""):
            found.append(int(folder.name))
    return found


def killed(environ: dict[str, str], stem: str) -> int:
    """Kills the function's workers, with what they are at, and says how many there were."""
    found = workers(environ, stem)
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return len(found)


def stored(client: Client) -> set[tuple[str, str]]:
    return {(row["orgId"]["S"], row["eventId"]["S"].split("#")[1]) for row in client.rows("EventsTable")}


def pointed(client: Client) -> set[tuple[str, str]]:
    return set(map(pointed_at, client.rows("UserEventsTable")))


def decided(client: Client) -> list[tuple[str, str]]:
    """Tenant and id of decisions, as often as they are pointed to."""
    rows = client.rows("EventsTable")
    decisions = {
        (row["orgId"]["S"], row["eventId"]["S"].split("#")[1])
        for row in rows
        if row["eventType"]["S"] == "fraud.decision.made"
    }
    return [one for one in map(pointed_at, client.rows("UserEventsTable")) if one in decisions]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="workers are found under /proc")
@pytest.mark.parametrize("stem", ["archive_events", "project_events", "score_transactions"])
def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    client: Client, environ: dict[str, str], stem: str
) -> None:
    client.post(events.transaction())
    assert eventually(lambda: workers(environ, stem), bool), "the function is warm"
    decisions = len(decided(client))
    users = range(10_000_000, 10_000_010)
    sent = {org: [events.transaction(user=users[n % 10]) for n in range(150)] for org in ORGS}
    for org, start in ((ORGS[0], 0), (ORGS[1], 0), (ORGS[1], 75)):
        some = sent[org][start : start + (150 if org == ORGS[0] else 75)]
        assert client.post(some, org=org).body["accepted"] == len(some)
        assert eventually(lambda: killed(environ, stem), bool, seconds=KILLING_SECONDS), "a worker was killed"
    wanted = {(org, event["eventId"]) for org in ORGS for event in sent[org]}
    archived = eventually(lambda: set(client.raw()), lambda found: wanted <= found, seconds=90)
    assert wanted <= archived
    assert wanted <= eventually(lambda: pointed(client), lambda found: wanted <= found, seconds=90)
    # A decision each, none twice; and what was decided is stored, pointed to and archived like any other event.
    wanted_decisions = decisions + 300
    found = eventually(lambda: decided(client), lambda found: len(found) >= wanted_decisions, seconds=90)
    assert len(found) in (wanted_decisions, wanted_decisions + 1)  # the first transaction's may come late
    assert len(found) == len(set(found))


def test_a_producer_that_is_killed_sends_the_rest_from_its_buffer(client: Client, tmp_path: Path) -> None:
    url, key, file = client.outputs["ApiUrl"], client.keys["org_acme"], str(tmp_path / "events.sqlite")
    ids = [str(uuid.uuid4()) for _ in range(1000)]
    path = {
        "PYTHONPATH": os.pathsep.join(
            str(ROOT / part) for part in ("clients/python", "layers/millrace/python")
        )
    }

    def python(*arguments: str) -> "subprocess.CompletedProcess[str]":
        line = [sys.executable, *arguments]
        return subprocess.run(
            line, cwd=tmp_path, env=path, capture_output=True, text=True, timeout=100, check=False
        )

    typed = python("-m", "millrace.client", "types", "--url", url, "--key", key)
    assert typed.returncode == 0, typed.stderr
    (tmp_path / "shop_events.py").write_text(typed.stdout)
    ended = python("-c", PRODUCER, json.dumps([url, key, file, ids]))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with Producer(url, key, buffer=file) as left:
        assert left.flush(60)
    assert 0 < left.counts.taken < len(ids)
    assert left.counts.refused == 0
    wanted = {("org_acme", event_id) for event_id in ids}
    assert wanted <= stored(client)
    archived = eventually(lambda: Counter(client.raw()), lambda found: wanted <= set(found), seconds=90)
    assert [archived[one] for one in wanted] == [1] * len(ids)


def test_a_dead_letter_is_fed_again(client: Client, environ: dict[str, str]) -> None:
    """What a fault of the code left: a record under the consumer's dead letters, and no pointer."""
    event = events.order()
    client.post(event)
    key = ("org_acme", event["eventId"])
    eventually(lambda: pointed(client), lambda found: key in found)
    row = next(r for r in client.rows("UserEventsTable") if pointed_at(r) == key)
    dynamodb, s3 = client.aws("dynamodb"), client.aws("s3")
    table, bucket = client.outputs["UserEventsTable"], client.outputs["LakeBucket"]
    item = dynamodb.get_item(
        TableName=client.outputs["EventsTable"], Key={"eventId": {"S": f"org_acme#{event['eventId']}"}}
    )["Item"]
    image = {
        name: {kind: held if isinstance(held, str) else _base64(held) for kind, held in value.items()}
        for name, value in item.items()
    }
    record = {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "1", "NewImage": image}}
    letter = {"consumer": "project_events", "reason": "a fault that is mended", "record": record}
    place = f"dead-letters/project_events/day=2026-11-20/table-{uuid.uuid4()}.json"
    s3.put_object(Bucket=bucket, Key=place, Body=json.dumps(letter).encode())
    dynamodb.delete_item(TableName=table, Key={name: row[name] for name in ("userKey", "sortKey")})

    def said(*arguments: str) -> tuple[int, Any]:
        done = command("redrive", *arguments, "--json", environ=environ)
        return done.returncode, json.loads(done.stdout.splitlines()[-1])

    assert said("project_events", "--dead-letters", "--dry-run")[1]["rows"] == 1
    assert said("project_events", "--dead-letters") == (0, {"rows": 1, "different": 0, "batches": 1})
    assert key in pointed(client)
    moved = s3.list_objects_v2(Bucket=bucket, Prefix=f"redriven/project_events/{place}")
    assert moved["KeyCount"] == 1
    assert said("archive_events") == (0, {"rows": 0, "different": 0, "batches": 0})
    assert said("no_such_function")[0] == 2


@pytest.mark.parametrize("table", ["Events", "UserEvents"])
def test_a_table_is_made_again_from_the_lake(client: Client, environ: dict[str, str], table: str) -> None:
    for org in ORGS:
        sent = [events.order(), events.transaction(), events.health_check(sessionId="ses_9")]
        assert client.post([*sent, sent[0]], org=org).body["accepted"] == 3
    everything = eventually(
        lambda: (stored(client), set(client.raw()), pointed(client)),
        lambda found: found[0] <= found[1],
        seconds=60,
    )
    assert everything[0] <= everything[1]
    into = f"{table}-again-{uuid.uuid4().hex[:8]}"
    done = command("rebuild", "--table", table, "--into", into, "--json", environ=environ, seconds=120)
    document = json.loads(done.stdout.splitlines()[-1])
    original = client.rows(f"{table}Table")
    assert (done.returncode, document) == (0, {"rows": len(original), "different": 0}), done.stderr
    dynamodb = client.aws("dynamodb")
    repeated = [
        row for page in dynamodb.get_paginator("scan").paginate(TableName=into) for row in page["Items"]
    ]
    assert len(repeated) == len(original)
    names = ("eventId",) if table == "Events" else ("userKey", "sortKey")

    def by_key(rows: list[dict[str, Any]]) -> dict[tuple[str, ...], Any]:
        # The body's bytes keep an order of names that says nothing; the command has compared what they say.
        return {tuple(row[n]["S"] for n in names): {**row, "body": None} for row in rows}

    assert by_key(repeated) == by_key(original)
    dynamodb.delete_table(TableName=into)
    # A row that the table in use loses is put back into it, and nothing else is written.
    lost = original[0]
    live = client.outputs[f"{table}Table"]
    dynamodb.delete_item(TableName=live, Key={name: lost[name] for name in names})
    done = command("rebuild", "--table", table, "--swap", "--json", environ=environ, seconds=120)
    assert (done.returncode, json.loads(done.stdout.splitlines()[-1])) == (0, {"rows": 1, "different": 0})
    without_time = {"projectedAt": None}
    put_back = dynamodb.get_item(TableName=live, Key={name: lost[name] for name in names})["Item"]
    assert {**put_back, "body": None, **without_time} == {**lost, "body": None, **without_time}


def capture(client: Client, wanted: str) -> None:
    """Has the log take the table's changes (`ACTIVE`), or not (`DISABLED`)."""
    dynamodb, table = client.aws("dynamodb"), client.outputs["EventsTable"]

    def found() -> dict[str, str]:
        (one,) = dynamodb.describe_kinesis_streaming_destination(TableName=table)[
            "KinesisDataStreamDestinations"
        ]
        return one  # type: ignore[no-any-return]

    place = {"TableName": table, "StreamArn": found()["StreamArn"]}
    if wanted == "ACTIVE":
        dynamodb.enable_kinesis_streaming_destination(**place)
    else:
        dynamodb.disable_kinesis_streaming_destination(**place)
    state = eventually(lambda: found()["DestinationStatus"], lambda status: status == wanted)
    assert state == wanted


def test_what_the_log_never_got_is_found_and_put_into_it(client: Client, environ: dict[str, str]) -> None:
    """A row that came while the table was not captured: in no consumer of the log until the stores are compared."""
    event = events.order(timestamp=events.moment(timedelta(hours=3)))
    key = ("org_acme", event["eventId"])
    capture(client, "DISABLED")
    try:
        assert client.post(event).body["accepted"] == 1
        # What was received just now is left to settle, so this one came an hour ago.
        client.aws("dynamodb").update_item(
            TableName=client.outputs["EventsTable"],
            Key={"eventId": {"S": "#".join(key)}},
            UpdateExpression="SET receivedAt = :then",
            ExpressionAttributeValues={":then": {"S": events.moment(timedelta(hours=1))}},
        )
    finally:
        capture(client, "ACTIVE")
    eventually(lambda: pointed(client), lambda found: key in found)
    assert key not in set(client.raw())

    def compared() -> dict[str, Any] | None:
        """The event among what differs; None when it is equal."""
        done = command("reconcile", "--org", "org_acme", "--json", environ=environ)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        document = json.loads(done.stdout.splitlines()[-1])
        told = (one for cell in document["differences"] for one in cell["differences"])
        return next((one for one in told if one["eventId"] == event["eventId"]), None)

    found = compared()
    assert found is not None
    assert found["missing"] == ["manifest", "raw", "silver"]
    assert (found["status"], found["reasons"]) == ("repaired", ["put into the log again"])
    assert key in eventually(lambda: set(client.raw()), lambda archived: key in archived)
    # What is left is silver's next run.
    assert command("etl", "--json", environ=environ, seconds=300).returncode == 0
    assert compared() is None
    assert client.raw().count(key) == 1


def _base64(held: Any) -> str:
    import base64

    return base64.b64encode(bytes(held)).decode()
