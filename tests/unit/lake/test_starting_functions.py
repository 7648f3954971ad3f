"""The functions that start runs and plan backfills, over Step Functions and S3 of a few lines."""

import io
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from millrace.core.errors import PermanentError
from millrace.runs import documents, names
from millrace.runs.documents import Summary
from tests.support.functions import function

MACHINES = {
    f"{name.upper()}_MACHINE": f"arn:aws:states:us-east-1:1:stateMachine:{name}" for name in names.MACHINES
}
BACKFILL = "backfill-20261101_20261102"


class States:
    def __init__(self) -> None:
        self.started: list[tuple[str, str]] = []

    def list_executions(self, **request: Any) -> dict[str, Any]:
        return {
            "executions": [{"name": name} for arn, name in self.started if arn == request["stateMachineArn"]]
        }

    def start_execution(self, **request: str) -> dict[str, Any]:
        self.started.append((request["stateMachineArn"], request["name"]))
        return {"executionArn": "arn"}


class Bucket:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, **request: Any) -> None:
        self.objects[request["Key"]] = request["Body"]

    def get_object(self, **request: Any) -> dict[str, Any]:
        if request["Key"] not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[request["Key"]])}

    def ended(self, run: str, status: Any) -> None:
        self.objects[f"runs/{run}/summary.json"] = documents.write(Summary(run, status, "", "", (), (), ()))


def test_each_machine_is_started_by_its_name_once() -> None:
    states = States()
    over_states = patch("functions.start_run.handler.client", lambda _: states)
    with function("start_run", {"ENVIRONMENT": "dev", **MACHINES}) as handler, over_states:
        for machine, given in (
            ("hourly_etl", {"refresh": ["hourly"]}),
            ("maintenance", {}),
            ("seal_tiles", {}),
            ("backfill", {"from": "2026-11-01", "to": "2026-11-02"}),
            ("train_model", {}),
            ("train_model", {"org": "org_acme"}),
        ):
            first = handler({"machine": machine, "input": given}, None)
            repeated = handler({"machine": machine, "input": given}, None)
            assert (first["started"], repeated["started"]) == (True, False)
            assert first["runId"] == repeated["runId"]
            assert first["runId"].startswith(f"{machine}-")
        with pytest.raises(PermanentError, match="no machine"):
            handler({"machine": "other"}, None)
    started = [arn.rpartition(":")[2] for arn, _ in states.started]
    assert started == ["hourly_etl", "maintenance", "seal_tiles", "backfill", "train_model", "train_model"]


def test_a_backfill_is_planned_once_and_goes_on_behind_what_is_done() -> None:
    bucket = Bucket()
    given = {"from": "2026-11-01", "to": "2026-11-02"}
    over_bucket = patch("functions.plan_backfill.handler.client", lambda _: bucket)
    with function("plan_backfill", {"ENVIRONMENT": "dev", "LAKE_BUCKET": "b"}) as handler, over_bucket:
        first = handler({"runId": f"{BACKFILL}-1", **given}, None)
        assert [day["day"] for day in first["days"]] == ["2026-11-01", "2026-11-02"]
        bucket.ended(f"{first['days'][0]['name']}-1", "done")
        bucket.ended(f"{first['days'][1]['name']}-1", "partly")
        assert handler({"runId": f"{BACKFILL}-1", **given}, None) == first
        second = handler({"runId": f"{BACKFILL}-3", **given}, None)
        assert [(day["day"], day["attempt"]) for day in second["days"]] == [("2026-11-02", 7)]
