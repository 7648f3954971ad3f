"""Starts the machine that carries requests out: one execution a request at a time."""

import hashlib
from typing import Any

import orjson

from millrace.core.aws import calling
from millrace.core.errors import MillraceError, RetryableError
from millrace.people.requests import SubjectRequest

MACHINE = "erase_subject"
MOST_ATTEMPTS = 20


def start(states: Any, arn: str, org: str, request: SubjectRequest) -> None:
    """Starts an execution for a request, unless one runs for it; a name is used once, so one that failed gets the next.

    Args:
        states: a client of Step Functions.
        arn: of the machine.
        org: the tenant.
        request: that is to be carried out.

    Raises:
        MillraceError: Step Functions did not answer, or all attempts have failed.
    """
    # No name of a person is in it: the log of the machine has the input of each step.
    given = {"org": org, "requestId": request.request_id, "kind": request.kind}
    tenant = hashlib.sha256(org.encode()).hexdigest()[:12]
    stem = f"{request.kind}-{tenant}-{request.request_id}-"
    for attempt in range(1, MOST_ATTEMPTS + 1):
        name = f"{stem}{attempt}"
        try:
            with calling(f"start {MACHINE}"):
                # The same name with the same input, while it runs, is answered with the execution that runs.
                states.start_execution(stateMachineArn=arn, name=name, input=orjson.dumps(given).decode())
        except MillraceError as error:
            if error.code != "ExecutionAlreadyExists":
                raise
            # The first has ended, or an implementation tells so of one that runs; a later one may run as well.
            if attempt == 1 and _runs(states, arn, stem):
                return
            continue
        return
    raise RetryableError(f"start {MACHINE}: {MOST_ATTEMPTS} attempts of the request have failed")


def _runs(states: Any, arn: str, stem: str) -> bool:
    """Whether an execution runs whose name begins so."""
    asked: dict[str, str] = {"stateMachineArn": arn, "statusFilter": "RUNNING"}
    while True:
        with calling(f"list executions of {MACHINE}"):
            answer = states.list_executions(**asked)
        if any(one["name"].startswith(stem) for one in answer["executions"]):
            return True
        if "nextToken" not in answer:
            return False
        asked["nextToken"] = answer["nextToken"]
