"""What only AWS can show, against answers in the forms of AWS's own models."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cli.assumptions import athena_reads, retries_are_numbered
from tests.unit.cli.test_account import answering

NONE = ("0", "0")
AT = datetime(2026, 3, 1, tzinfo=UTC)
MACHINE = "arn:aws:states:eu-west-1:111122223333:stateMachine:hourly"
RUN = MACHINE.replace("stateMachine", "execution") + ":hourly-2026-03-01T00-1"


def athena(state: str, reason: str, counts: tuple[str, str]) -> Any:
    status = {"State": state, "StateChangeReason": reason}
    rows = [
        {"Data": [{"VarCharValue": "_col0"}, {"VarCharValue": "_col1"}]},
        {"Data": [{"VarCharValue": c} for c in counts]},
    ]
    answers: list[tuple[str, dict[str, Any] | str]] = [
        ("start_query_execution", {"QueryExecutionId": "q" * 8}),
        ("get_query_execution", {"QueryExecution": {"Status": {"State": "RUNNING"}}}),
        ("get_query_execution", {"QueryExecution": {"Status": status}}),
        ("get_query_results", {"ResultSet": {"Rows": rows}}),
    ]
    return answering("athena", *answers)


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (("SUCCEEDED", "", ("12", "12")), "ok", "12 rows"),
        (("SUCCEEDED", "", ("12", "0")), "fail", "12 of 12 rows of platform_canary_sent_v1 have no event_id"),
        (("SUCCEEDED", "", NONE), "skipped", "no rows yet; millrace etl"),
        (("FAILED", "TABLE_NOT_FOUND: line 1:30", NONE), "skipped", "no run has written platform_canary_sent_v1 yet"),
        (("FAILED", "PERMISSION_DENIED: no", NONE), "fail", "is failed in Athena: PERMISSION_DENIED: no"),
        (("CANCELLED", "", NONE), "fail", "is cancelled in Athena"),
    ],
)  # fmt: skip
def test_athena_reads_files_by_the_name_mapping(
    answer: tuple[str, str, tuple[str, str]], status: str, text: str
) -> None:
    found = athena_reads(athena(*answer), "dev", sleep=lambda _: None)
    assert found[0] == status
    assert text in found[1]


def test_a_query_that_does_not_end_is_not_awaited_for_ever() -> None:
    running = ("get_query_execution", {"QueryExecution": {"Status": {"State": "QUEUED"}}})
    client = answering("athena", ("start_query_execution", {"QueryExecutionId": "q" * 8}), *[running] * 60)
    assert athena_reads(client, "dev", sleep=lambda _: None)[0] == "fail"


def history(*events: dict[str, Any]) -> Any:
    run = {
        "executionArn": RUN,
        "stateMachineArn": MACHINE,
        "name": "hourly-2026-03-01T00-1",
        "status": "RUNNING",
        "startDate": AT,
    }
    numbered = [{"timestamp": AT, "id": number + 1, **event} for number, event in enumerate(events)]
    return answering(
        "stepfunctions",
        ("list_executions", {"executions": [run]}),
        ("get_execution_history", {"events": numbered}),
    )


def started(resource: str, name: str) -> dict[str, Any]:
    details = {
        "resourceType": "states",
        "resource": resource,
        "region": "eu-west-1",
        "parameters": f'{{"Name": "{name}"}}',
    }
    return {"type": "TaskScheduled", "taskScheduledEventDetails": details}


FAILED = {
    "type": "EvaluationFailed",
    "evaluationFailedEventDetails": {"state": "TransformBatches", "cause": "RetryCount is undefined"},
}


@pytest.mark.parametrize(
    ("events", "status", "text"),
    [
        ([started("invoke", "x"), started("startExecution.sync:2", "hourly-1-0")], "ok", "hourly-1-0"),
        ([started("startExecution.sync:2", "hourly-")], "fail", "hourly- does not end in the count of its retries"),
        ([FAILED], "fail", "could not evaluate a state: RetryCount is undefined"),
        ([started("invoke", "x")], "skipped", "started no other execution"),
    ],
)  # fmt: skip
def test_names_of_nested_executions_end_in_the_count_of_retries(
    events: list[dict[str, Any]], status: str, text: str
) -> None:
    found = retries_are_numbered(history(*events), MACHINE)
    assert found[0] == status
    assert text in found[1]


def test_without_a_run_there_is_nothing_to_tell() -> None:
    none = answering("stepfunctions", ("list_executions", {"executions": []}))
    assert retries_are_numbered(none, MACHINE)[0] == "skipped"
