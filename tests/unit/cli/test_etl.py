"""What `millrace etl` asks for, and what it says of runs."""

from typing import Any

import pytest

from cli import runs
from cli.commands.etl import missing, remedy, request_of, show
from cli.errors import RefusedError, UsageError
from cli.target import Target
from millrace.runs import documents
from millrace.runs.backfill import plan
from millrace.runs.documents import CheckSummary, Summary, TableSummary

RUN = "hourly_etl-20261121-1"


@pytest.mark.parametrize(
    ("first", "last", "backfill", "given"),
    [
        (None, None, False, {"refresh": ["hourly", "daily"]}),
        (
            "2026-11-01",
            "2026-11-07",
            False,
            {"from": "2026-11-01", "to": "2026-11-07", "refresh": ["hourly", "daily"]},
        ),
        ("2026-11-01", "2026-11-08", True, {"from": "2026-11-01", "to": "2026-11-08"}),
    ],
)
def test_more_than_a_week_is_a_backfill(
    first: str | None, last: str | None, backfill: bool, given: dict[str, Any]
) -> None:
    assert request_of(first, last) == (backfill, given)


@pytest.mark.parametrize(
    ("first", "last"), [("2026-11-01", None), (None, "2026-11-01"), ("x", "y"), ("2026-11-02", "2026-11-01")]
)
def test_what_is_no_interval_is_a_wrong_usage(first: str | None, last: str | None) -> None:
    with pytest.raises(UsageError):
        request_of(first, last)


def test_what_did_not_land_is_named_and_much_of_it_is_cut_short() -> None:
    failures = [{"step": "commit", "table": "silver.a", "org": "o", "day": "2026-11-01", "error": "blocked"}]
    assert missing({"failures": failures}, "why") == ["silver.a o 2026-11-01: blocked"]
    assert missing({"failures": failures * 25}, "why")[-1] == "and 5 more"
    assert missing({}, "why") == ["why"]


def test_the_remedy_is_of_what_failed() -> None:
    silver = {"step": "commit", "table": "silver.a", "org": "o", "day": "2026-11-01", "error": "blocked"}
    mart, archive = {**silver, "table": "marts.a"}, {"step": "archive", "error": "1 accepted event"}
    assert "millrace pending list" in remedy({"failures": [mart, silver]}, "millrace etl")
    # No run takes a mart's days in, and days that are named are not pending.
    mended = "what is named keeps its last rows; when the cause is mended: "
    assert remedy({"failures": [mart]}, "millrace etl") == f"{mended}millrace etl"
    again = "millrace etl --from 2026-11-01 --to 2026-11-01"
    assert remedy({"failures": [silver]}, again) == mended + again
    assert remedy({"failures": [archive]}, "millrace etl").startswith("millrace doctor")


class Aws:
    """Step Functions and S3 of one platform: executions that end after some looks, and documents."""

    def __init__(self) -> None:
        self.looks: dict[str, int] = {}
        self.names: list[str] = []
        self.objects: dict[str, bytes] = {}
        self.status = "SUCCEEDED"

    def list_executions(self, **request: Any) -> dict[str, Any]:
        running = request.get("statusFilter") == "RUNNING"
        names = [name for name in self.names if not running or self.looks.get(name, 0) > 0]
        return {"executions": [{"name": name} for name in names]}

    def start_execution(self, **request: str) -> dict[str, Any]:
        assert not [name for name in self.names if self.looks.get(name, 0) > 0], "one at a time"
        self.names.append(request["name"])
        self.looks[request["name"]] = 2
        return {"executionArn": f"arn:aws:states:r:1:execution:m:{request['name']}"}

    def describe_execution(self, **request: str) -> dict[str, Any]:
        name = request["executionArn"].rpartition(":")[2]
        self.looks[name] -= 1
        if self.looks[name] > 0:
            return {"status": "RUNNING"}
        return {"status": self.status, "cause": None if self.status == "SUCCEEDED" else "because"}

    def get_execution_history(self, **request: Any) -> dict[str, Any]:
        entered = {"name": "CommitTable", "input": '"silver.a"'}
        return {"events": [{"id": 3, "stateEnteredEventDetails": entered}, {"id": 4}]}

    def get_object(self, **request: str) -> dict[str, Any]:
        from io import BytesIO

        from botocore.exceptions import ClientError

        if request["Key"] not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": BytesIO(self.objects[request["Key"]])}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    made = Aws()
    monkeypatch.setattr(Target, "client", lambda self, service: made)
    monkeypatch.setattr(runs, "POLL_SECONDS", 0)
    return made


TARGET = Target(
    "local",
    "http://localhost:1",
    {"HourlyEtlMachine": "arn:aws:states:r:1:stateMachine:m", "LakeBucket": "b"},
)


def test_a_run_in_the_way_is_waited_for_and_then_the_next_one_starts(aws: Aws) -> None:
    aws.names, aws.looks = ["hourly_etl-20261121T10-1"], {"hourly_etl-20261121T10-1": 2}
    result: list[str] = []
    run_id, status, cause = runs.run(
        TARGET, "hourly_etl", {"refresh": ["daily"]}, seconds=9, say=result.append
    )
    assert (run_id.rpartition("-")[2], status, cause) == ("1", "SUCCEEDED", "")
    assert result == [
        "waiting for hourly_etl-20261121T10-1: CommitTable silver.a",
        f"{run_id}: CommitTable silver.a",
    ]


def test_a_run_that_takes_longer_goes_on_alone(aws: Aws) -> None:
    aws.names, aws.looks = [RUN], {RUN: 10**6}
    with pytest.raises(RefusedError, match=f"{RUN} is still running and continues without this command"):
        runs.run(TARGET, "hourly_etl", {}, seconds=0, say=lambda _: None)


def test_a_run_that_fails_says_why(aws: Aws) -> None:
    aws.status = "FAILED"
    assert runs.run(TARGET, "hourly_etl", {}, seconds=9, say=lambda _: None)[1:] == ("FAILED", "because")


def summary(run: str, at: str, rows: int, snapshot: int | None, check: str) -> bytes:
    table = TableSummary("silver.a", rows, snapshot, "committed" if snapshot else "unchanged")
    checks = (CheckSummary("silver.a", "unique", check),)
    return documents.write(Summary(run, "done", at, at, (table,), checks, ()))


def test_a_run_is_told_as_the_interface_says(aws: Aws) -> None:
    assert runs.document(TARGET, RUN) is None
    aws.objects[f"runs/{RUN}/summary.json"] = summary(
        RUN, "2026-11-21T10:00:00Z", 3, 7008894928788525185, "warn"
    )
    assert runs.document(TARGET, RUN) == {
        "runId": RUN,
        "tables": [{"table": "silver.a", "rows": 3, "snapshot": 7008894928788525185}],
        "checks": [{"table": "silver.a", "check": "unique", "status": "warn"}],
    }


def test_what_is_set_aside_is_said(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    at = "2026-11-21T10:00:00Z"
    aws.objects[f"runs/{RUN}/summary.json"] = documents.write(
        Summary(RUN, "done", at, at, (), (), (), set_aside=2)
    )
    done = runs.document(TARGET, RUN)
    assert done is not None
    assert done["setAside"] == 2
    show(done)
    assert "2 tenant-days set aside: millrace pending list" in capsys.readouterr().out


def test_a_backfill_is_its_runs_together(aws: Aws) -> None:
    name = "backfill-20261101_20261102-1"
    made = plan(name, "2026-11-01", "2026-11-02", None, bool)
    aws.objects[f"runs/{name}/backfill.json"] = documents.write(made)
    first, second, tables = (child.names[0] for child in (*made.days, made.tables))
    aws.objects[f"runs/{first}/summary.json"] = summary(first, "2026-11-21T10:00:00Z", 1, 11, "fail")
    aws.objects[f"runs/{second}/summary.json"] = summary(second, "2026-11-21T10:01:00Z", 2, 12, "pass")
    aws.objects[f"runs/{tables}/summary.json"] = summary(tables, "2026-11-21T10:02:00Z", 2, None, "pass")
    assert runs.document(TARGET, name) == {
        "runId": name,
        "tables": [{"table": "silver.a", "rows": 2, "snapshot": 12}],
        "checks": [{"table": "silver.a", "check": "unique", "status": "fail"}],
    }
