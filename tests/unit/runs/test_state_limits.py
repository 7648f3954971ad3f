"""Every machine in `state_machines/` within the quotas of Step Functions, for 10,000 tenants and 500 tables.

An execution whose state holds more than 256 KB fails with `States.DataLimitExceeded`, which no `States.ALL` catches, and so
does one with more than 25,000 events. A new state, and a new machine, are walked as they are; a new function wants an entry
in `answers`.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest

from functions.build_training_set.handler import LONGEST_REASON
from millrace.aggregates.seal_days import Done
from millrace.eventstore import receipts
from millrace.eventstore.backlog import Backlog
from millrace.iceberg.maintenance import Maintained
from millrace.lake import mark, packing, sources, table_portions
from millrace.model_registry.register import Registered
from millrace.model_registry.rows import Version
from millrace.runs import backfill, interval, names
from millrace.training.algorithms import ALGORITHMS
from millrace.training.metrics import GATES, Metrics
from stacks.asl import FOLDER
from tests.support.state_bounds import LONGEST_CAUSE, MAX_BYTES, MAX_EVENTS, WIDE, Answers, Bounds

TENANTS, TABLES = 10_000, 500
LONGEST_WAIT = 600
ORG, TABLE = "o" * 63, "ml_features." + "t" * 52
TEXT = WIDE * LONGEST_REASON
URL = "s3://" + "b" * 63 + "/" + "k" * 256
RUN = "r" * names.LONGEST
MACHINES = sorted(path.name.removesuffix(".asl.json") for path in FOLDER.glob("*.asl.json"))
SPLIT = dict.fromkeys(("trainFrom", "trainTo", "testFrom", "testTo"), "2026-11-21") | {"delayDays": 7}
# What an execution may be started with, where that is not nothing.
INPUTS: Mapping[str, list[Any]] = {
    "backfill": [{"from": "2025-10-18", "to": "2026-11-21", "request": RUN}],
    "erase_subject": [{"org": ORG, "requestId": "0" * 36, "kind": kind} for kind in ("erase", "export")],
    "import_file": [{"key": "k" * 1024, "etag": "0" * 40, "time": "2026-11-21T10:05:00Z"}],
    "train_model": [{}, {"org": ORG, "model": "fraud", "split": SPLIT, "data": URL, "request": RUN}],
}


@dataclass(frozen=True)
class Lake:
    """So many tables of silver, and so many built ones in so many levels."""

    silver: int
    built: int
    levels: int

    def answers(self) -> dict[str, Answers]:
        orgs = [ORG] * TENANTS
        run: dict[str, Any] = {"runId": RUN}

        def pin(payload: Any) -> list[Any]:
            if "portion" in payload:
                return [{"orgs": list(sources.portion(orgs, payload["portion"], payload["portions"]))}]
            return [{"portions": list(range(sources.portions(orgs, payload["mostPortions"])))}]

        def commit(payload: Any) -> list[Any]:
            if payload.get("list"):
                return [{"tables": [TABLE] * self.silver}]
            return [{"table": TABLE, "status": "committed", "rows": 10**12, "snapshot": 2**63}]

        def prepare(_: Any) -> list[Any]:
            chunks = list(range(table_portions.MAX_CHUNKS))
            return [
                {"table": TABLE, "status": "ready", "chunks": chunks},
                {"status": "skipped", "chunks": []},
            ]

        def maintain(payload: Any) -> list[Any]:
            if payload.get("list"):
                return [{"tables": [TABLE] * (self.silver + self.built)}]
            return [asdict(Maintained(TABLE, "millrace", 10**6, 10**6, 10**6))]

        def plan_days(payload: Any) -> list[Any]:
            last = date.fromisoformat(payload["to"])
            first = last - timedelta(days=interval.MAX_DAYS - 1)
            return [backfill.plan("backfill-longest-99999", f"{first}", f"{last}", None, bool).answer()]

        each = self.built // self.levels
        plan = {
            **run,
            "batches": list(range(packing.MAX_BATCHES)),
            "levels": [[TABLE] * each] * self.levels,
            "partitions": TENANTS,
            "remaining": TENANTS,
        }

        def plan_run(payload: Any) -> list[Any]:
            # The archive is behind for as long as any environment lets a run wait: the path with the most events.
            looks = payload["looks"]
            if seconds := mark.pause(Backlog({ORG: 1}), looks, LONGEST_WAIT):
                return [{"wait": seconds, "looks": looks + 1, "batches": [], "levels": []}]
            return [{"wait": 0, **plan}]

        built = {"status": "ready", "org": ORG, "job": "j" * 63, "train": URL, "output": URL, "rows": 10**9}
        best = {"models": models("candidate"), "best": "0" * 8}
        return {
            "PlanRun": plan_run,
            "TransformPartitions": lambda _: [{"parts": 10**6, "failed": 10**6}],
            "CommitTable": commit,
            "PrepareTable": prepare,
            "BuildTable": lambda _: [{"table": TABLE, "chunk": 999, "status": "failed", "error": WIDE * 500}],
            "PinSources": pin,
            "MaterializeFeatures": lambda _: [{"asOf": "2026-11-21T10:06:00.000Z", "tenants": TENANTS}],
            # Days are left for as long as a run goes on: the path with the most events.
            "SealTiles": lambda _: [
                {one.name: 10**6 for one in fields(Done)},
                {one.name: 0 for one in fields(Done)},
            ],
            "EraseSubject": erase,
            "ImportFile": take_file,
            "PublishRun": lambda _: [{**run, "status": "done"}, {**run, "status": "partly"}],
            "PlanBackfill": plan_days,
            "MaintainTable": maintain,
            "BuildTrainingSet": lambda _: [built, {"status": "refused", "org": ORG, "why": TEXT}],
            "TrainModel": lambda _: [{**run, "org": ORG, "artifact": URL}],
            "TrainingJob": lambda _: [{"ModelArtifacts": {"S3ModelArtifacts": URL}, "Job": "x" * 20_000}],
            "RegisterModels": lambda _: [
                {**run, "org": ORG, **best},
                {**run, "org": ORG, "models": models("rejected"), "best": None},
            ],
            "MoveModel": lambda _: [
                {"status": "moved", "org": ORG, "version": "0" * 8},
                {"status": "refused", "why": TEXT},
            ],
        }


def take_file(payload: Any) -> list[Any]:
    # A file that never ends is the path with the most events.
    one = {"org": ORG, "importId": "0" * 32, "rows": 10**7}
    ends = [{**one, "state": state} for state in ("done", "refused", "failed")]
    if payload["step"] == "begin":
        return [{"state": "none"}, {**one, "state": "running"}, *ends]
    return ends if payload["step"] == "fail" else [{**one, "state": "running"}, *ends]


def erase(payload: Any) -> list[Any]:
    # Refused events are left for as long as it goes on: the path with the most events.
    if payload["step"] == "remove":
        after = {"after": "0" * 128, "removed": 10**6}
        return [{**after, "left": True}, {**after, "left": False}]
    return [{"requestId": "0" * 36, "status": "done", "certificate": URL}]


def models(status: Any) -> list[dict[str, Any]]:
    """The models of a training as they are registered, each with its longest texts."""
    version = Version(
        org=ORG,
        model="fraud",
        version="0" * 8,
        algorithm="x" * 24,
        status=status,
        run=RUN,
        registered_at="2026-11-21T10:06:00.000Z",
        card_sha256="0" * 64,
        onnx_sha256="0" * 64,
        artifact=URL,
        metrics={one.name: 0.12345678901234567 for one in fields(Metrics)},
        gates=tuple({"name": name, "least": 0.75, "value": 1 / 3, "passed": False} for name in GATES),
        data="lake",
        sources={},
        code_version="1",
    )
    why = f"not logged: MLflow at {'u' * 200}: {WIDE * 300}"
    return [Registered("x" * 24, status, version, why).to_json() for _ in ALGORITHMS]


# Five hundred tables: nearly all of silver, all built, in one level or in many, and half of each.
LAKES = [Lake(TABLES - 1, 1, 1), Lake(0, TABLES, 1), Lake(0, TABLES, 10), Lake(TABLES // 2, TABLES // 2, 5)]


@cache
def walked(lake: Lake, train_in: str) -> Bounds:
    """Every machine, at this size."""
    values = {
        "TrainIn": train_in,
        "CaptureSeconds": "300",
        "MaxConcurrency": "1",
        "ManagedSpot": "true",
        "MaxRuntime": "7200",
        "CacheSeconds": "60",
    }
    bounds = Bounds(lake.answers(), {**values, "MaxWait": "43200"})
    for machine in MACHINES:
        # The others are started by one of these.
        if machine in (*names.MACHINES, "erase_subject", "import_file"):
            for given in INPUTS.get(machine, [{}]):
                bounds.walk(machine, RUN, given)
    assert set(bounds.events) == set(MACHINES), "a machine that nothing starts"
    return bounds


@pytest.mark.parametrize(
    ("lake", "train_in"), [*((lake, "sagemaker") for lake in LAKES), (LAKES[0], "lambda")]
)
def test_no_state_and_no_history_exceeds_its_quota(lake: Lake, train_in: str) -> None:
    bounds = walked(lake, train_in)
    assert [one for one in bounds.held() if one.size > MAX_BYTES] == []
    assert {name: events for name, events in bounds.events.items() if events > MAX_EVENTS} == {}
    assert {place: length for place, length in bounds.causes.items() if length > LONGEST_CAUSE} == {}


def test_every_name_of_an_execution_is_taken_and_logged() -> None:
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html"""
    found = {name for lake in LAKES for name in walked(lake, "sagemaker").names}
    assert len(found) > len(MACHINES)
    assert [name for name in found if not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name)] == []


def test_a_backfill_reaches_back_no_further_than_the_manifest() -> None:
    """So the number of its days, each an execution, is bounded."""
    assert interval.MAX_DAYS <= receipts.KEPT_DAYS


def test_a_state_that_grows_with_the_tenants_is_found() -> None:
    """As the walk has to find it: ten thousand names in a state, and an array of results that nobody reads."""
    answers = LAKES[0].answers()
    answers["PinSources"] = lambda _: [{"portions": [ORG] * TENANTS, "orgs": [ORG]}]
    bounds = Bounds(answers, {"TrainIn": "lambda", "CaptureSeconds": "300", "MaxConcurrency": "1"})
    bounds.walk("hourly_etl", RUN, {})
    found = {(one.state, one.what) for one in bounds.held() if one.size > MAX_BYTES}
    assert ("PinSources", "result") in found
    assert ("MaterializeFeatures", "items") in found
    assert bounds.events["hourly_etl"] > MAX_EVENTS
