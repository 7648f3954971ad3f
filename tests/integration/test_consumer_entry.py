"""One entry in the table of consumers and one function: every reader of the table knows the new consumer."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.doctor import Doctor
from cli.redrive import Redrive
from cli.target import Target
from millrace import __version__
from millrace.canary import journey
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.log import logger
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import consumers, receipts
from millrace.eventstore.batches import batches
from millrace.eventstore.consumers import ConsumerSpec, ReceiptKind, Source, filter_pattern, reading
from millrace.eventstore.row import head_of
from tests.support import events
from tests.support.lambdas import LambdaClient
from tests.support.platform import LAKE, Platform, platform
from tests.support.reconciling import World, ago, only, order, words

COUNTER = ConsumerSpec(
    name="count_orders",
    function="update_views",
    source=Source.TABLE_STREAM,
    event_types=frozenset({"order.created"}),
    receipt=ReceiptKind.BATCH,
    kind="counted",
    step="listed",
    compared_since="",
    check="counts",
)
WATCHER = ConsumerSpec(
    name="watch_payments",
    function="update_views",
    source=Source.TABLE_STREAM,
    event_types=frozenset({"transaction.created"}),
)
TRACE = "/v1/events/{eventId}/trace"


class Counter:
    """Counts orders and leaves a receipt; as long as it is broken it can handle none."""

    def __init__(self, running: Platform) -> None:
        self._running, self.broken = running, False

    def count(self, deliveries: Sequence[Delivery]) -> None:
        if self.broken:
            raise ValueError("a fault in the counter")
        first, last = deliveries[0], deliveries[-1]
        where = receipts.place(first.arrived_at, first.shard, first.sequence, last.sequence)
        by_day: dict[tuple[str, str], dict[str, int]] = {}
        for head in (head_of(delivery.item) for delivery in deliveries):
            by_day.setdefault((head.org, head.day), {})[head.event_id] = head.expires_at
        for (org, day), ids in by_day.items():
            receipt = receipts.Receipt(
                org, COUNTER.kind, day, where, clock.now(), tuple(ids), __version__, max(ids.values())
            )
            Table(self._running.dynamodb, "Metadata").write_all(receipts.to_items(receipt))


@pytest.fixture
def counting(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Platform, Counter]]:
    monkeypatch.setattr(consumers, "CONSUMERS", (*consumers.CONSUMERS, COUNTER, WATCHER))
    with platform(bundle) as running:
        counter = Counter(running)
        handles = {COUNTER.name: counter.count, WATCHER.name: lambda _: None}
        running.functions[COUNTER.function] = batches(handles, LAKE, logger(COUNTER.function, "ERROR"))
        yield running, counter


def steps(running: Platform, event: dict[str, Any]) -> tuple[str, list[str]]:
    trace = running.get(TRACE, eventId=event["eventId"])["body"]
    return trace["status"], [step["step"] for step in trace["steps"]]


def test_its_function_is_given_what_any_of_its_consumers_reads(counting: tuple[Platform, Counter]) -> None:
    assert filter_pattern(reading(Source.TABLE_STREAM)["update_views"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"NewImage": {"eventType": {"S": ["order.created", "transaction.created"]}}},
    }


def test_a_trace_waits_for_it_and_redrive_feeds_it(counting: tuple[Platform, Counter]) -> None:
    running, counter = counting
    order, check = events.order(), events.health_check()
    counter.broken = True
    running.post([order, check])
    running.settle()
    assert steps(running, order) == ("pending", ["accepted", "projected", "archived", "counted", "routed"])
    assert steps(running, check)[0] == "complete", "it reads no such type"

    (letter,) = running.objects("dead-letters/")
    assert letter.startswith("dead-letters/count_orders/day=")
    for name in (COUNTER.name, COUNTER.function):
        redrive = Redrive(
            Objects(running.s3, LAKE), LambdaClient(running), stem=name, function=COUNTER.function
        )
        assert redrive.dead_letters() == [letter]
    counter.broken = False
    total = redrive.run([letter], redrive.feed_dead_letter, parallel=1)
    assert (total["rows"], total["different"]) == (1, 0)
    assert steps(running, order) == (
        "complete",
        ["accepted", "projected", "archived", "counted", "routed", "listed"],
    )


def test_doctor_waits_for_it_and_names_its_dead_letters(
    counting: tuple[Platform, Counter], monkeypatch: pytest.MonkeyPatch
) -> None:
    running, counter = counting
    assert journey.steps()["canary"]["counts"] == "listed"
    assert "counts" in journey.paths()
    counter.broken = True
    running.post(events.order())
    running.settle()
    outputs = {"LakeBucket": LAKE, "EventBus": "bus", "MetadataTable": "Metadata"}
    target: Any = SimpleNamespace(
        client=lambda name: getattr(running, name), output=outputs.get, api_url="http://localhost:1"
    )
    found: Target = target
    assert Doctor(found, 1)._dead_letters() == (
        "fail",
        "1 of count_orders; millrace redrive count_orders --dead-letters",
    )


def test_reconciliation_compares_it(counting: tuple[Platform, Counter]) -> None:
    running, counter = counting
    world, sent = World(running), [order(3) for _ in range(3)]
    running.post([*sent[:2], events.health_check(timestamp=ago(3))])
    world.settle()
    report = world.look()
    assert words(report).keys() == {"equal"}
    assert report.to_json()["counts"]["counted"] == 2

    counter.broken = True
    running.post(sent[2])
    world.settle()
    hour = only(world.look())
    (difference,) = hour["differences"]
    assert (difference["missing"], difference["reasons"]) == (["counted"], ["dead letter of count_orders"])
    (letter,) = running.objects("dead-letters/")
    running.s3.delete_object(Bucket=LAKE, Key=letter)
    hour = only(world.look())
    assert (hour["status"], hour["missing"]) == ("open", {"counted": 1})
    assert hour["differences"][0]["reasons"] == ["no receipt of count_orders"]


def test_each_hosted_consumer_has_a_line_in_the_log_that_the_alarm_reads(
    counting: tuple[Platform, Counter], capsys: pytest.CaptureFixture[str]
) -> None:
    running, counter = counting
    handles = {COUNTER.name: counter.count, WATCHER.name: lambda _: None}
    running.functions[COUNTER.function] = batches(handles, LAKE, logger("update_views_logged", "INFO"))
    counter.broken = True
    running.post(events.order())
    running.settle()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"batch"' in line]
    dead = {line["consumer"]: line["dead"] for line in lines if "consumer" in line}
    assert dead == {COUNTER.name: 1, WATCHER.name: 0}
