"""Starts executions of the state machines, one at a time for an interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson

from millrace.core.aws import calling
from millrace.core.errors import MillraceError, RetryableError
from millrace.runs.names import Machine, in_the_way, interval, named, next_attempt

# Names are found by listing the newest executions; older ones of the interval are found by being refused.
LISTED = 100
MOST_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class Started:
    """Whether an execution was started; if not, `run_id` is the one that is in the way."""

    started: bool
    run_id: str
    arn: str


def start(
    states: Any, machine_arn: str, machine: Machine, given: Mapping[str, Any], now: datetime
) -> Started:
    """Starts a machine under the next free name of its interval, unless one runs for that interval.

    Args:
        states: a client of Step Functions.
        machine_arn: the machine's ARN.
        machine: which machine it is.
        given: the execution's input.
        now: the present moment; what is new is an interval by the hour.

    Raises:
        PermanentError: the input names no interval.
        RetryableError: Step Functions did not answer.
    """
    wanted = named(machine, interval(machine, given, now), 1)
    with calling(f"start {machine}"):
        newest = states.list_executions(stateMachineArn=machine_arn, maxResults=LISTED)["executions"]
    attempt = next_attempt([one["name"] for one in newest], wanted.prefix)
    # Step Functions takes the same name with the same input for one start while it runs: no two inputs are the same.
    body = orjson.dumps({**given, "request": str(uuid4())}).decode()
    for number in range(attempt, attempt + MOST_ATTEMPTS):
        blocking = in_the_way(running(states, machine_arn), wanted)
        if blocking is not None:
            return Started(False, blocking, execution_arn(machine_arn, blocking))
        name = str(named(machine, wanted.interval, number))
        try:
            with calling(f"start {machine}"):
                answer = states.start_execution(stateMachineArn=machine_arn, name=name, input=body)
        except MillraceError as error:
            if error.code != "ExecutionAlreadyExists":
                raise
            # Started a moment ago by someone else, or long ago.
            continue
        return Started(True, name, answer["executionArn"])
    raise RetryableError(
        f"start {machine}: {wanted.prefix} has no free attempt up to {attempt + MOST_ATTEMPTS}"
    )


def running(states: Any, machine_arn: str) -> list[str]:
    """The names of the executions that have not ended.

    Raises:
        MillraceError: Step Functions did not answer.
    """
    listing = {"stateMachineArn": machine_arn, "statusFilter": "RUNNING"}
    names: list[str] = []
    while True:
        with calling("list executions"):
            page = states.list_executions(**listing)
        names += [one["name"] for one in page["executions"]]
        if not page.get("nextToken"):
            return names
        listing["nextToken"] = page["nextToken"]


def execution_arn(machine_arn: str, name: str) -> str:
    """The ARN of an execution by its name."""
    return f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
