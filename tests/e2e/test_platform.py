"""The deployed platform, from outside: what a client sees, and what lies in the stores behind it."""

import json
import random
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.alerts.alert import GRACE
from millrace.core import clock
from millrace.core.table import Table
from millrace.patterns import definition
from millrace.patterns.timers import Timer, Timers
from tests.e2e.conftest import UP_SECONDS, command
from tests.support import events
from tests.support.client import Client, eventually, totals
from tests.support.rows import pointed_at

ORGS = ("org_acme", "org_globex")


def test_the_outputs_are_all_there(client: Client) -> None:
    tables = {
        f"{n}Table" for n in ("Events", "UserEvents", "Analytics", "Metadata", "MLModels", "FeatureStore")
    }
    assert tables | {"ApiUrl", "LakeBucket", "EventStream", "EventBus"} <= set(client.outputs)
    assert "/_aws/execute-api/" in client.outputs["ApiUrl"]
    assert client.outputs["ApiUrl"].endswith("/$default")


def test_health_is_open_and_nothing_else(client: Client) -> None:
    health = client.call("GET", "/v1/health", org=None)
    assert (health.status, health.body["status"], health.body["environment"]) == (200, "ok", "local")
    for path in ("/v1/events?userId=a", "/v1/openapi.json", "/v1/quarantine", "/v1/schemas"):
        assert client.call("GET", path, org=None).status == 401
        assert client.call("GET", path, key="mk_" + "A" * 43).status in (401, 403)
    assert client.call("POST", "/v1/events", org=None, body=events.order()).status == 401


def test_a_key_is_revoked_within_a_minute_and_an_expired_one_never_serves(
    client: Client, environ: dict[str, str]
) -> None:
    from millrace.access.credentials import create_api_key, revoke_api_key
    from millrace.core.table import Table

    metadata = Table(client.aws("dynamodb"), client.outputs["MetadataTable"])
    expired = create_api_key(
        metadata, org="org_acme", name="old", scopes=["events:read"], expires_at=datetime.now(UTC)
    )
    assert client.call("GET", "/v1/events?userId=a", key=expired).status in (401, 403)
    later = datetime.now(UTC) + timedelta(days=1)
    reader = create_api_key(metadata, org="org_acme", name="reader", scopes=["events:read"], expires_at=later)
    assert client.call("GET", "/v1/events?userId=a", key=reader).status == 200
    assert client.call("POST", "/v1/events", key=reader, body=events.order()).status == 403
    unused = create_api_key(metadata, org="org_acme", name="unused", scopes=["events:read"])
    assert revoke_api_key(metadata, unused)
    assert client.call("GET", "/v1/events?userId=a", key=unused).status in (401, 403)


def test_one_event_is_followed_to_the_lake_and_the_subscriber(client: Client) -> None:
    event = events.order(payload={"orderId": "ord_e2e"})
    assert client.post(event).status == 202
    path = f"/v1/events/{event['eventId']}"
    # No trace waits until an event is counted: it is complete without that.
    trace = eventually(
        lambda: client.get(f"{path}/trace").body,
        lambda found: found["status"] == "complete" and len(found["steps"]) == 5,
    )
    assert [step["step"] for step in trace["steps"]] == [
        "accepted",
        "projected",
        "archived",
        "counted",
        "routed",
    ]
    found = trace["steps"][2]["detail"]["object"]
    bucket = client.outputs["LakeBucket"]
    assert found.startswith(f"s3://{bucket}/raw/events/org=org_acme/category=business-events/year=")
    assert client.aws("s3").head_object(Bucket=bucket, Key=found.removeprefix(f"s3://{bucket}/"))
    stored = client.get(path).body
    assert stored["platform"]["orgId"] == "org_acme"
    listed = client.get("/v1/events", entity="order:ord_e2e").body["items"]
    assert listed == [stored]
    assert client.get(path, org="org_globex").status == 404

    queue, sqs = client.outputs["SubscriberQueue"], client.aws("sqs")

    seen: list[Any] = []

    def delivered() -> list[Any]:
        # Tests before this one have left theirs, so all that is there is taken.
        while got := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            seen.extend(json.loads(message["Body"])["detail"] for message in got)
            taken = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(got)]
            sqs.delete_message_batch(QueueUrl=queue, Entries=taken)
        return seen

    # Behind intake a user is a number.
    person = client.get(f"/v1/subjects/{event['data']['payload']['userId']}").body
    payload = {**stored["data"]["payload"], "userId": person["subject"]}
    sent = {**stored, "userId": person["subject"], "data": {**stored["data"], "payload": payload}}
    assert sent in eventually(delivered, lambda all_: sent in all_, seconds=60)


def test_events_come_in_over_the_bus_for_the_tenant_of_the_binding(client: Client) -> None:
    ours = events.order()
    foreign = {"webhookId": "wh_1", "source": "stripe", "payload": {"id": "evt_1"}}
    entries = [
        {
            "EventBusName": client.outputs["EventBus"],
            "Source": "millrace.intake",
            "DetailType": "order.created",
            "Detail": json.dumps(ours),
        },
        {"Source": "demo.webhooks", "DetailType": "anything", "Detail": json.dumps(foreign)},
        {
            "EventBusName": client.outputs["EventBus"],
            "Source": "millrace.intake",
            "DetailType": "x",
            "Detail": json.dumps({"orgId": "org_globex", "eventType": "order.created"}),
        },
    ]
    answer = client.aws("events").put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 0
    path = f"/v1/events/{ours['eventId']}"
    assert eventually(lambda: client.get(path).status, lambda status: status == 200) == 200
    assert client.get(path, org="org_globex").status == 404
    wrapped = eventually(
        lambda: client.get("/v1/events", org="org_globex", eventType="integration.webhook.received").body[
            "items"
        ],
        bool,
    )
    assert wrapped[0]["data"]["payload"] == foreign
    assert wrapped[0]["platform"]["orgId"] == "org_globex"
    refused = eventually(
        lambda: [
            item for item in client.get("/v1/quarantine").body["items"] if item["source"] == "eventbridge"
        ],
        bool,
    )
    assert {error["code"] for error in refused[0]["errors"]} >= {"unknown_field", "missing"}


def test_thousands_of_events_of_two_tenants_arrive_once_everywhere(client: Client) -> None:
    rng = random.Random(uuid.uuid4().int)
    sent_total, answers, accepted = 0, [], set[tuple[str, str]]()
    shop, expected = f"shop {uuid.uuid4()}", dict.fromkeys(ORGS, 0)
    for org in ORGS:
        good = events.mixed(1000, rng)
        for event in good:
            if event["eventType"] == "transaction.created":
                event["data"]["payload"]["merchant"] = shop
                expected[org] += 1
        bad = [{**event, "eventId": events.new_id(rng), "data": {"payload": {}}} for event in good[:20]]
        again, clash = (
            rng.sample(good, 30),
            [{**event, "region": "elsewhere"} for event in rng.sample(good, 5)],
        )
        sent = [*rng.sample(good + bad, 1020), *again, *clash]
        sent_total += len(sent)
        answers += [client.post(sent[at : at + 500], org=org) for at in range(0, len(sent), 500)]
        accepted |= {(org, event["eventId"]) for event in good}
    assert totals(answers) == {
        "accepted": 2000,
        "duplicates": 60,
        "conflicts": 10,
        "rejected": 40,
        "unavailable": 0,
    }
    assert sum(totals(answers).values()) == sent_total

    def windows() -> dict[str, int]:
        return {org: counted(client, org, shop) for org in ORGS}

    assert eventually(windows, lambda found: all(found[org] >= expected[org] for org in ORGS)) == expected
    rows = client.rows("EventsTable")
    keys = Counter((row["orgId"]["S"], row["eventId"]["S"].split("#")[1]) for row in rows)
    assert {key: count for key, count in keys.items() if key in accepted} == dict.fromkeys(accepted, 1)
    raw = eventually(lambda: Counter(client.raw()), lambda found: accepted <= set(found), seconds=90)
    assert accepted <= set(raw)
    with_user = 2 * 667
    pointers = eventually(
        lambda: client.rows("UserEventsTable"),
        lambda found: len({pointed_at(row) for row in found} & accepted) >= with_user,
        seconds=60,
    )
    ours = Counter(map(pointed_at, pointers))
    assert len([key for key in ours if key in accepted]) == with_user
    assert max(ours.values()) == 1
    for org, other in (ORGS, ORGS[::-1]):
        sample = rng.sample(sorted(one for owner, one in accepted if owner == org), 5)
        assert all(client.get(f"/v1/events/{one}", org=org).status == 200 for one in sample)
        assert all(client.get(f"/v1/events/{one}", org=other).status == 404 for one in sample)
    dead = client.aws("s3").list_objects_v2(Bucket=client.outputs["LakeBucket"], Prefix="dead-letters/")
    assert dead.get("KeyCount", 0) == 0
    assert windows() == expected, "the same whatever is folded meanwhile"


def test_a_dropped_file_is_reported_and_its_rows_are_events_of_its_tenant(client: Client) -> None:
    """S3 tells EventBridge, a rule starts the machine, and its function gives the rows to intake."""
    moment, order = events.moment(), f"ord_{uuid.uuid4().hex[:10]}"
    old = events.moment(timedelta(days=20 * 365))
    head = "timestamp,paymentId,orderId,amount,currency,method,provider,capturedAt,userId\n"
    rows = [
        f"{at},pay_{n}_{order},{order},{amount},EUR,card,stripe,{at},usr_dropped\n"
        for n, (at, amount) in enumerate([(moment, 12.5), (moment, -1), (old, 7), (moment, 3)])
    ]
    key = f"imports/org_globex/payment.captured/{order}.csv"
    client.aws("s3").put_object(
        Bucket=client.outputs["LakeBucket"], Key=key, Body=(head + "".join(rows)).encode()
    )

    def reported() -> dict[str, Any]:
        items = client.get("/v1/imports", org="org_globex").body["items"]
        return next((one for one in items if one["file"] == f"{order}.csv"), {})

    report = eventually(reported, lambda one: one.get("state") in ("done", "refused", "failed"))
    assert (report["state"], report["rows"], report["accepted"], report["rejected"]) == ("done", 4, 3, 1)
    assert (report["history"], report["codes"]) == (1, {"minimum": 1})
    found = client.get("/v1/events", org="org_globex", eventType="payment.captured", limit="100").body[
        "items"
    ]
    assert sorted(
        one["data"]["payload"]["amount"] for one in found if one["data"]["payload"]["orderId"] == order
    ) == [3, 12.5]
    assert client.get(f"/v1/imports/{report['importId']}", org="org_acme").status == 404


def counted(client: Client, org: str, merchant: str) -> int:
    """Transactions of a merchant in the windows of the last days."""
    query = {"from": (datetime.now(UTC) - timedelta(days=4)).isoformat(), "by.merchant": merchant}
    page = client.get("/v1/analytics/transactions_by_merchant", org=org, window="1d", **query).body
    return sum(item["transactions"] for item in page["items"])


@pytest.mark.parametrize("form", ["application/json", "application/x-ndjson"])
def test_compressed_bodies_pass_the_gateway(client: Client, form: str) -> None:
    import gzip

    sent = [events.order(), events.transaction()]
    lines = b"\n".join(json.dumps(event).encode() for event in sent)
    body = json.dumps(sent).encode() if form == "application/json" else lines
    answer = client.post(gzip.compress(body), content_type=form, content_encoding="gzip")
    assert (answer.status, answer.body["accepted"]) == (202, 2)


def test_the_command_line_talks_to_it(client: Client, environ: dict[str, str], tmp_path: Any) -> None:
    file = tmp_path / "events.ndjson"
    sent = [events.order(), events.order(payload={"totalAmount": -1})]
    file.write_text("\n".join(json.dumps(event) for event in sent))

    def said(*arguments: str) -> tuple[int, Any]:
        done = command(*arguments, "--json", environ=environ)
        return done.returncode, json.loads(done.stdout.splitlines()[-1])

    code, answer = said("send", str(file))
    assert (code, answer["accepted"], answer["rejected"]) == (1, 1, 1)
    code, answer = said("status")
    assert (code, answer["env"], len(answer["stacks"])) == (0, "local", 6)
    code, answer = said("seed", "--count", "50", "--seed", str(random.randrange(10**6)))
    assert code == 0
    assert sum(answer["types"].values()) == 50
    assert said("trace", sent[0]["eventId"])[1]["eventId"] == sent[0]["eventId"]
    assert said("quarantine", "list")[1]["items"]
    eventually(lambda: client.get(f"/v1/events/{sent[0]['eventId']}/trace").body["status"], "complete".__eq__)
    code, found = said(
        "query",
        f"select count(log_sequence) as n from raw.events where event_id = '{sent[0]['eventId']}'",
    )
    assert (code, found[0]["n"] >= 1) == (0, True)
    assert command("trace", str(uuid.uuid4()), environ=environ).returncode == 1
    assert command("send", environ=environ).returncode == 2


def test_patterns_raise_alerts_that_are_acknowledged(
    client: Client, environ: dict[str, str], bundle: Path
) -> None:
    review, order = f"rev_{uuid.uuid4().hex}", events.order(timestamp=events.moment(timedelta(minutes=40)))
    flagged = {"reporterId": "usr_1", "targetType": "review", "targetId": review, "reason": "spam"}
    reports = [
        {
            "eventId": str(uuid.uuid4()),
            "eventType": "report.flagged",
            "timestamp": events.moment(),
            "data": {"payload": {**flagged, "reportId": f"rep_{number}"}},
        }
        for number in range(3)
    ]
    assert client.post([*reports, order]).status == 202

    def raised(subject: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = client.get("/v1/alerts", state="raised").body["items"]
        return [one for one in items if one["subject"] == subject]

    (alert,) = eventually(lambda: raised(f"target:{review}"), bool)
    assert (alert["rule"], alert["expected"], alert["observed"]) == ("review_flagged_thrice", 2, 3)
    ack = command("alerts", "ack", alert["alertId"], "--note", "known", "--json", environ=environ)
    assert json.loads(ack.stdout.splitlines()[-1])["state"] == "acknowledged"
    assert raised(f"target:{review}") == []
    # What would have been set 38 minutes ago. The schedule would find it within its minute.
    (pattern,) = (one for one in definition.load(bundle) if one.name == "order_without_completion")
    key, happened = order["data"]["payload"]["orderId"], clock.parse(order["timestamp"])
    due = happened + pattern.within + GRACE
    timer = Timer("org_acme", pattern.ref, key, order["eventId"], clock.epoch_micros(happened), due)
    Timers(Table(client.aws("dynamodb"), client.outputs["AnalyticsTable"])).set([timer])
    functions = client.aws("lambda").get_paginator("list_functions").paginate()
    names = [one["FunctionName"] for page in functions for one in page["Functions"]]
    (sweep,) = (name for name in names if "sweeptimers" in name)
    client.aws("lambda").invoke(FunctionName=sweep, Payload=b"{}")
    (late,) = eventually(lambda: raised(f"order:{key}"), bool, seconds=120)
    assert late["message"].startswith("No order.completed within 30 minutes")
    line = {
        "orderId": key,
        "userId": "usr_1",
        "totalAmount": 1,
        "currency": "EUR",
        "completedAt": events.moment(),
    }
    done = {"eventId": str(uuid.uuid4()), "eventType": "order.completed", "timestamp": events.moment()}
    assert client.post([{**done, "data": {"payload": line}}]).status == 202
    ended = eventually(
        lambda: [one["alertId"] for one in client.get("/v1/alerts", state="ended").body["items"]],
        lambda found: late["alertId"] in found,
    )
    assert late["alertId"] in ended


def test_refused_events_are_repaired_and_discarded_from_the_command_line(
    client: Client, environ: dict[str, str], tmp_path: Any
) -> None:
    from datetime import UTC, datetime

    since = datetime.now(UTC).isoformat()
    total = events.order()["data"]["payload"]["totalAmount"]
    repairable = [events.order(payload={"totalAmount": -1}) for _ in range(3)]
    beyond = events.order(payload={"totalAmount": -1, "items": "none"})
    client.post([*repairable, beyond])
    patch = tmp_path / "patch.json"
    patch.write_text(json.dumps([{"op": "replace", "path": "/data/payload/totalAmount", "value": total}]))

    def said(*arguments: str) -> tuple[int, dict[str, Any]]:
        mine = ("--event-type", "order.created", "--from", since, "--json")
        done = command("quarantine", *arguments, *mine, environ=environ)
        return done.returncode, json.loads(done.stdout.splitlines()[-1])

    code, tried = said("replay", "--patch", str(patch), "--dry-run")
    assert (code, tried["matched"], tried["wouldPass"], tried["replayed"]) == (1, 4, 3, 0)
    assert client.get(f"/v1/events/{repairable[0]['eventId']}").status == 404
    code, done = said("replay", "--patch", str(patch))
    assert (code, done["replayed"], done["stillFailing"], done["more"]) == (1, 3, 1, False)
    for event in repairable:
        stored = client.get(f"/v1/events/{event['eventId']}").body
        assert stored["data"]["payload"]["totalAmount"] == total
    assert said("discard", "--dry-run") == (0, {"matched": 1, "discarded": 0, "more": False})
    assert said("discard") == (0, {"matched": 1, "discarded": 1, "more": False})
    assert said("replay") == (
        0,
        {"matched": 0, "wouldPass": 0, "replayed": 0, "stillFailing": 0, "more": False, "results": []},
    )


def test_a_restart_loses_nothing_that_was_accepted(client: Client, environ: dict[str, str]) -> None:
    """Stopped right after its answers: what consumers had not read by then is projected, archived and routed, too."""
    sent = [events.order() for _ in range(500)]
    answer = client.post(sent)
    assert answer.body["accepted"] == 500
    stopped = command("down", "--json", environ=environ)
    assert json.loads(stopped.stdout.splitlines()[-1]) == {"stopped": True, "clean": True, "reset": False}
    started = command("up", "--no-events", "--json", environ=environ, seconds=UP_SECONDS)
    assert started.returncode == 0, started.stderr
    wanted = {event["eventId"] for event in sent}
    # The journal holds what changed in the tables, and the consumer reads on from where it was.
    projected = eventually(
        lambda: {pointed_at(row)[1] for row in client.rows("UserEventsTable")},
        lambda found: wanted <= found,
        seconds=60,
    )
    assert wanted <= projected
    path = f"/v1/events/{sent[-1]['eventId']}/trace"
    assert eventually(lambda: client.get(path).body["status"], "complete".__eq__) == "complete"
    archived = eventually(
        lambda: {event_id for _, event_id in client.raw()}, lambda found: wanted <= found, seconds=60
    )
    assert wanted <= archived
