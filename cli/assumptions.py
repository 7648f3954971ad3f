"""What Millrace assumes of AWS's services that only AWS can show: each check with the answer that is expected.

`millrace doctor --env` makes them; that API Gateway marks a compressed body as base64 is part of the canary's journey.
"""

import json
import re
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

from cli.account import Client, Finding
from millrace.canary.events import EVENT_TYPE, ORG
from millrace.core.sql import identifier, literal
from millrace.iceberg.layout import database

# A COUNT over the canary's own table takes some seconds.
ATHENA_SECONDS = 30
PAUSE_SECONDS = 0.5
# The start of a run is among the first events of its history.
HISTORY_EVENTS = 200
# Ends in the count of the retries, as `Arguments` of the state machines append it.
NUMBERED = re.compile(r".+-\d+")


def athena_reads(client: Client, environment: str, sleep: Callable[[float], object] = time.sleep) -> Finding:
    """Whether Athena reads a table's files by `schema.name-mapping.default`: they have no field ids.

    Args:
        client: of Athena.
        environment: `dev`, `staging` or `prod`.
        sleep: pauses for seconds.
    """
    athena, table = client("athena"), f"{EVENT_TYPE.replace('.', '_')}_v1"
    counts = f"SELECT count(*), count(event_id) FROM {identifier(table)} WHERE org_id = {literal(ORG)}"  # noqa: S608  quoted
    query = athena.start_query_execution(
        QueryString=counts,
        QueryExecutionContext={"Database": database(environment, "silver")},
        WorkGroup=f"millrace-{environment}",
    )["QueryExecutionId"]
    for _ in range(round(ATHENA_SECONDS / PAUSE_SECONDS)):
        status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        if status["State"] not in ("QUEUED", "RUNNING"):
            break
        sleep(PAUSE_SECONDS)
    reason = status.get("StateChangeReason", "")
    if "TABLE_NOT_FOUND" in reason:
        return "skipped", f"no run has written {table} yet; millrace etl starts one"
    if status["State"] != "SUCCEEDED":
        return "fail", f"a count over {table} is {status['State'].lower()} in Athena: {reason}".rstrip(": ")
    header_and_row = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
    rows, named = (int(value["VarCharValue"]) for value in header_and_row[1]["Data"])
    if not rows:
        return "skipped", f"{table} has no rows yet; millrace etl starts a run"
    if named < rows:
        return "fail", (
            f"{rows - named} of {rows} rows of {table} have no event_id in Athena: it does not read files by the name "
            "mapping of their table"
        )
    return "ok", f"{rows} rows"


def retries_are_numbered(client: Client, machine: str) -> Finding:
    """Whether `RetryCount` stands in the context of `Arguments`: names of nested executions are made of it.

    Args:
        client: of Step Functions.
        machine: the ARN of a state machine that starts others.
    """
    states = client("stepfunctions")
    runs = states.list_executions(stateMachineArn=machine, maxResults=1)["executions"]
    if not runs:
        return "skipped", "no run yet; millrace etl starts one"
    pages = states.get_paginator("get_execution_history").paginate(executionArn=runs[0]["executionArn"])
    events = islice((event for page in pages for event in page["events"]), HISTORY_EVENTS)
    for event in events:
        if event["type"] == "EvaluationFailed":
            cause = event["evaluationFailedEventDetails"].get("cause", "")
            return "fail", f"{runs[0]['name']} could not evaluate a state: {cause}"
        name = _started(event)
        if name is not None:
            if NUMBERED.fullmatch(name):
                return "ok", name
            return "fail", f"{name} does not end in the count of its retries"
    return "skipped", f"{runs[0]['name']} started no other execution"


def _started(event: dict[str, Any]) -> str | None:
    details = event.get("taskScheduledEventDetails", {})
    if details.get("resource", "").startswith("startExecution"):
        return str(json.loads(details["parameters"]).get("Name", ""))
    return None
