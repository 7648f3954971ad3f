"""Reconciliation over the real lakehouse on the emulator: the handler, tables that the pipeline committed, and its rights."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import pytest

from millrace.archive.archive import Archive
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.consumer import Delivery, decode
from millrace.core.objects import Objects
from millrace.core.table import Item, Table
from millrace.eventstore import pending
from millrace.eventstore.codec import Codec
from millrace.eventstore.projection import Projection
from millrace.eventstore.row import to_item
from tests.integration.test_rights_lakehouse import STEPS, payload
from tests.support.contracts import FILES, compiled
from tests.support.emulator import LOG, Lake, emulator, fresh, pointed_at
from tests.support.functions import function
from tests.support.machines import machine
from tests.support.mappings.context import FunctionContext
from tests.support.raw_files import event
from tests.support.rights import BY_LAMBDA, Recorder, Rights
from tests.support.templates import templates

__all__ = ["emulator"]

NAME = "reconcile_events"
STREAM = "events"
ORG = "org_acme"
# Arrow reads silver with a client of its own, which is not recorded; and no record was set aside here, nor is a sealed day damaged.
UNRECORDED = {
    ("dynamodb:UpdateItem", "table/Analytics"),
    ("s3:GetObject", "lake/processed/*"),
    ("s3:GetObject", "lake/dead-letters/archive_events/*"),
    ("s3:GetObject", "lake/dead-letters/project_events/*"),
}


class _Context(FunctionContext):
    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@dataclass
class World:
    """A lake with two days of a tenant, and the steps of the test."""

    lake: Lake
    recorder: Recorder
    days: tuple[str, str]
    _runs: int = 0
    _shard: int = 0
    _taken: int = 0
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinesis = boto3.client("kinesis")
        if STREAM not in kinesis.list_streams()["StreamNames"]:
            kinesis.create_stream(StreamName=STREAM, ShardCount=1)
        self.kinesis = kinesis
        arn = kinesis.describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"]["StreamARN"]
        self._taken = len(self.records())
        self.environ = {
            **self.lake.environ,
            "MEMORY_MB": "1024",
            "EVENTS_TABLE": "Events",
            "USER_EVENTS_TABLE": "UserEvents",
            "ANALYTICS_TABLE": "Analytics",
            "EVENT_STREAM_ARN": arn,
            "BOUND_ORGS": f"{ORG},org_idle",
        }
        codec = Codec(registry.load().dictionary)
        self.codec = codec
        self.archive = Archive(
            Objects(self.lake.s3, self.lake.bucket), Table(self.lake.dynamodb, "Metadata"), codec
        )
        self.projection = Projection(
            Table(self.lake.dynamodb, "UserEvents"), codec, lambda ref: registry.load().of_ref(ref)
        )

    def rows(self, day: str, kind: str, count: int, seed: int) -> list[Item]:
        """Rows of Events, put there."""
        rng = random.Random(seed)
        contract = compiled([path for path in FILES if path.parent.name == kind][-1])
        made = [
            event(contract, ORG, day, rng, **payload(kind, seed * 1000 + place)) for place in range(count)
        ]
        items = [to_item(one.envelope, contract, one.fingerprint, self.codec) for one in made]
        Table(self.lake.dynamodb, "Events").write_all(items)
        return items

    def consume(self, items: Sequence[Item], *, project: bool = True) -> None:
        """The archive, and the projection, take rows."""
        self._shard += 1
        at = clock.parse(f"{self.days[-1]}T23:{self._shard:02}:00Z")
        some = [Delivery(item, "shardId-0", f"{self._shard}{n:04}", at, {}) for n, item in enumerate(items)]
        self.archive.write(some)
        if project:
            self.projection.project(some)

    def run(self) -> None:
        """The hourly run, as far as silver."""
        self._runs += 1
        steps: dict[str, Callable[[Any], Any]] = {
            # The log of the test is fed by it alone; that of the table is the emulator's.
            name: partial(self._invoke, stem, EVENT_STREAM_ARN=LOG)
            for name, stem in STEPS.items()
        }
        done = machine("hourly_etl", steps).run(f"hourly_etl-20261121T1{self._runs}-1", {"refresh": []})
        assert done.status == "SUCCEEDED", done.cause

    def reconcile(self, **request: Any) -> dict[str, Any]:
        """The function's answer."""
        given = request or {"from": self.days[0], "to": self.days[-1]}
        # An hour from now, when what is written just now has settled.
        later = clock.now() + timedelta(hours=1)
        with self.recorder.of(NAME), patch.object(clock, "now", lambda: later):
            answer: dict[str, Any] = self._invoke(NAME, given)
        # As it comes to a caller.
        document: dict[str, Any] = json.loads(json.dumps(answer))
        return document

    def carry(self) -> int:
        """What is new in the log comes to the archive and the projection."""
        records = self.records()
        new = records[self._taken :]
        self._taken = len(records)
        items: list[Item] = []
        for record in new:
            seconds = record["ApproximateArrivalTimestamp"].timestamp()
            change = json.loads(record["Data"])
            delivery = decode(
                {
                    **change,
                    "dynamodb": {
                        **change["dynamodb"],
                        "SequenceNumber": "1",
                        "ApproximateCreationDateTime": seconds,
                    },
                }
            )
            assert delivery is not None
            items.append({name: dict(held) for name, held in delivery.item.items()})
        if items:
            self.consume(items, project=False)
        return len(new)

    def records(self) -> list[dict[str, Any]]:
        """The log from its beginning."""
        (shard,) = self.kinesis.list_shards(StreamName=STREAM)["Shards"]
        place = {"StreamName": STREAM, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = self.kinesis.get_shard_iterator(**place)["ShardIterator"]
        records: list[dict[str, Any]] = self.kinesis.get_records(ShardIterator=iterator)["Records"]
        return records

    def _invoke(self, stem: str, given: Any, **other: str) -> Any:
        with function(stem, {**self.environ, **other}) as handler:
            return handler(given, _Context(stem, "request"))


def _days() -> tuple[str, str]:
    """Two days that the daily pass looks at today and tomorrow, and no hourly one does."""
    today = clock.utc_day(clock.now())
    return (today - timedelta(days=4)).isoformat(), (today - timedelta(days=3)).isoformat()


@pytest.fixture(scope="module")
def passes_run(bundle: Path, emulator: str) -> Iterator[tuple[World, list[dict[str, Any]]]]:
    """The function's answers, step by step."""
    recorder, answers = Recorder(), []
    with pointed_at(emulator), recorder.installed():
        world = World(fresh(emulator), recorder, _days())
        for number, day in enumerate(world.days):
            for kind in ("order.created", "transaction.created"):
                world.consume(world.rows(day, kind, 15, number * 10 + len(kind)))
        answers.append(world.reconcile())
        world.run()
        answers.append(world.reconcile())
        # Archived, and its day is marked for no run: silver alone lacks it.
        world.consume(world.rows(world.days[0], "order.created", 4, 77))
        for row in pending.read(Table(world.lake.dynamodb, "Metadata")):
            pending.clear(Table(world.lake.dynamodb, "Metadata"), row.org, row.day, row.token)
        answers.append(world.reconcile())
        world.run()
        answers.append(world.reconcile())
        # Never captured: Events alone has them.
        world.rows(world.days[1], "transaction.created", 3, 78)
        answers.append(world.reconcile())
        answers.append({"carried": world.carry()})
        answers.append(world.reconcile())
        world.run()
        answers.append(world.reconcile())
        answers.append(world.reconcile(**{"pass": "hourly"}))
        answers += [world.reconcile(**{"pass": "daily"}) for _ in range(2)]
        yield world, answers


def words(answer: dict[str, Any]) -> set[str]:
    return {word for word, count in answer["cells"].items() if count}


def test_silver_is_compared_as_the_pipeline_committed_it(
    passes_run: tuple[World, list[dict[str, Any]]],
) -> None:
    _, (before, after, *_) = passes_run
    # Before the run each day waits for it.
    assert words(before) == {"explained"}
    assert before["missing"]["silver"] == 60
    assert words(after) == {"equal"}, after["differences"]
    stores = ("events", "userEvents", "manifest", "raw", "silver")
    assert {name: after["counts"][name] for name in stores} == dict.fromkeys(stores, 60)


def test_what_silver_alone_lacks_is_taken_in_by_the_next_run(
    passes_run: tuple[World, list[dict[str, Any]]],
) -> None:
    _, (_, _, lacking, repaired, *_) = passes_run
    assert lacking["events"] == {"settling": 0, "explained": 0, "repaired": 4, "open": 0}
    assert lacking["differences"][0]["missing"].keys() == {"silver"}
    assert words(repaired) == {"equal"}, repaired["differences"]
    assert repaired["counts"]["silver"] == 64


def test_what_was_never_captured_comes_to_silver(passes_run: tuple[World, list[dict[str, Any]]]) -> None:
    _, (*_, gap, carried, waiting, last, _, _, _) = passes_run
    assert (gap["events"]["repaired"], gap["missing"]["manifest"], gap["missing"]["userEvents"]) == (3, 3, 3)
    assert carried == {"carried": 3}
    assert words(waiting) == {"equal", "explained"}
    assert words(last) == {"equal"}, last["differences"]
    assert last["counts"]["silver"] == last["counts"]["events"] == 67


def test_scheduled_passes_take_their_hours(passes_run: tuple[World, list[dict[str, Any]]]) -> None:
    _, (*_, hourly, daily, from_cache) = passes_run
    assert hourly["left"] == daily["left"] == 0
    assert hourly["counts"]["events"] == 0, "nothing happened within three hours"
    assert daily["counts"]["events"] == 67
    assert from_cache == daily


@pytest.mark.parametrize("environment", ["local", "dev"])
def test_its_role_allows_what_it_asks_and_little_else(
    passes_run: tuple[World, list[dict[str, Any]]], environment: str
) -> None:
    world, _ = passes_run
    calls = world.recorder.calls[NAME]
    rights = Rights(templates(environment), NAME)
    assert [one for one in sorted(calls) if not rights.allow(one)] == []
    done = {(action, "glue") for action, _ in calls}
    unused = {
        (action, "glue") if action.startswith("glue:") else (action, resource)
        for action, resource in rights.unused(calls)
        if action not in BY_LAMBDA
    }
    dropped = ("dynamodb:DeleteItem", "table/Metadata")
    assert unused - done - UNRECORDED <= {dropped}, "only a row of the manifest without its object is dropped"
