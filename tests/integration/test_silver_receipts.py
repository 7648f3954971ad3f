"""The trace of an event finds it in silver by the receipts of a published run."""

import json
from typing import Any

import pytest

from millrace.core.table import Table
from millrace.eventstore import silver
from millrace.runs.store import RunStore
from tests.support import events
from tests.support.platform import ACME, GLOBEX, LAKE, Platform
from tests.support.publishing import DAY, ORDERS, Publish
from tests.support.runs import COMMITTED_AT, Run, part, yesterday


def test_the_trace_says_in_silver_once_the_object_is_taken_in(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    order = events.order()
    assert running.post(order)["status"] == 202
    running.settle()
    before = trace(running, order["eventId"])
    assert "in_silver" not in before
    day, key = before["accepted"]["day"], before["archived"]["detail"]["object"]
    run = Run()
    run.day(ACME, day, ("raw/events/other.parquet",))
    run.silver = [part(ORDERS, ACME, day)]
    run.commit(ORDERS, *run.silver)
    run.write(runs)
    publish("hourly-1")
    assert "in_silver" not in trace(running, order["eventId"]), "the run planned another object"
    later = Run(run="hourly-2", planned_at=yesterday(11), at=yesterday(11, 1))
    later.day(ACME, day, ("raw/events/other.parquet", key.split("/", 3)[3]))
    later.silver = [part(ORDERS, ACME, day)]
    later.commit(ORDERS, *later.silver, snapshot=9)
    later.write(runs)
    publish("hourly-2")
    found = trace(running, order["eventId"])["in_silver"]
    assert found["at"] == yesterday(11, 1)
    assert found["detail"]["table"] == ORDERS
    assert (found["detail"]["runId"], found["detail"]["snapshot"]) == ("hourly-2", "9")
    assert found["detail"]["contract"].startswith("order.created/1.")


def test_the_trace_of_an_event_that_could_not_be_typed_does_not_say_in_silver(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    sound, dead = events.order(), events.order()
    assert running.post([sound, dead])["status"] == 202
    running.settle()
    archived = [trace(running, one["eventId"]) for one in (sound, dead)]
    day = archived[0]["accepted"]["day"]
    run = Run()
    run.day(ACME, day, tuple(one["archived"]["detail"]["object"].split("/", 3)[3] for one in archived))
    run.silver = [part(ORDERS, ACME, day, 1, dead=1)]
    run.commit(ORDERS, *run.silver)
    run.write(runs)
    running.s3.put_object(
        Bucket=LAKE,
        Key=f"dead-letters/transform_partitions/{run.run}/{ACME}/{day}-0-{ORDERS}.ndjson",
        Body=json.dumps({"event_id": dead["eventId"].upper(), "reason": "x"}) + "\n",
    )
    publish(run.run)
    assert "in_silver" in trace(running, sound["eventId"])
    assert "in_silver" not in trace(running, dead["eventId"])


def trace(running: Platform, event_id: str) -> dict[str, Any]:
    envelope = running.get("/v1/events/{eventId}", eventId=event_id)["body"]
    body = running.get("/v1/events/{eventId}/trace", eventId=event_id)["body"]
    assert body["status"] == "complete"
    steps: dict[str, Any] = {step["step"]: step for step in body["steps"]}
    steps["accepted"]["day"] = envelope["platform"]["day"]
    return steps


def test_a_receipt_of_very_many_objects_is_found_in_each_of_its_rows(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silver, "OBJECTS_PER_ROW", 3)
    objects = [f"raw/{number}" for number in range(7)]
    receipt = silver.SilverReceipt(ACME, DAY, ORDERS, "r", COMMITTED_AT, None, "c", "0", objects)
    items = silver.to_items(receipt)
    assert len(items) == 3
    for item in items:
        running.dynamodb.put_item(TableName="Metadata", Item=item)
    for key in objects:
        assert (
            silver.find(Table(running.dynamodb, "Metadata"), ACME, DAY, ORDERS, f"s3://{LAKE}/{key}")
            is not None
        )
    assert silver.find(Table(running.dynamodb, "Metadata"), ACME, DAY, ORDERS, "raw/8") is None
    assert silver.find(Table(running.dynamodb, "Metadata"), GLOBEX, DAY, ORDERS, "raw/1") is None
