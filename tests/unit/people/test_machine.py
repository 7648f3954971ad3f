"""One execution a request at a time, whether the service answers a running one with itself or with an error."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from millrace.people.machine import start
from millrace.people.requests import OPEN, SubjectRequest

ARN = "arn:aws:states:us-east-1:1:stateMachine:erase_subject"
REQUEST = SubjectRequest("20261130-1", "erase", OPEN, "17", "place", "ann", "letter", "", "")


class States:
    """Refuses every name that was used, and lists an execution a page."""

    def __init__(self) -> None:
        self.executions: dict[str, str] = {}

    def start_execution(self, **request: str) -> None:
        if request["name"] in self.executions:
            raise ClientError({"Error": {"Code": "ExecutionAlreadyExists"}}, "StartExecution")
        self.executions[request["name"]] = "RUNNING"

    def list_executions(self, *, nextToken: str = "0", **request: str) -> dict[str, Any]:  # noqa: N803
        named = [name for name, status in self.executions.items() if status == request["statusFilter"]]
        at = int(nextToken)
        more = {"nextToken": str(at + 1)} if at + 1 < len(named) else {}
        return {"executions": [{"name": name} for name in named[at : at + 1]], **more}


def of(states: States, org: str = "org_acme") -> list[str]:
    """The ends of the names of what was started, in order, after this call."""
    start(states, ARN, org, REQUEST)
    return [name.rpartition("-")[2] for name in states.executions]


def test_a_request_whose_execution_runs_starts_no_other() -> None:
    states = States()
    of(states, "org_globex")
    assert of(states) == of(states) == ["1", "1"]


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_one_that_has_ended_is_followed_by_the_next_and_that_by_none_while_it_runs(status: str) -> None:
    states = States()
    of(states)
    (first,) = states.executions
    states.executions[first] = status
    assert of(states) == of(states) == of(states) == ["1", "2"]
