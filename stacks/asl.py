"""The state machines of `state_machines/`, with their shorthand for Retry and Catch written out.

In a file `"Retry": "function"` names one of `RETRIES`, and `"Catch": "State"` stands for the handler of every error, which
gives the error to that state; `"Catch": {"Output": …, "Next": "State"}` gives it something else. What is deployed and what
the tests interpret is the definition that `definition` returns.
"""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "state_machines"


def _retry(errors: list[str], *, seconds: int, rate: int, attempts: int) -> dict[str, Any]:
    return {
        "ErrorEquals": errors,
        "IntervalSeconds": seconds,
        "BackoffRate": rate,
        "MaxAttempts": attempts,
        "MaxDelaySeconds": 60,
        "JitterStrategy": "FULL",
    }


# Lambda itself did not get to the function, or could not tell whether it ran.
# https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
_LAMBDA_FAILED = _retry(
    [
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
    ],
    seconds=2,
    rate=2,
    attempts=6,
)
_RAISED = ["States.TaskFailed", "States.Timeout"]
RETRIES = {
    "function": [_LAMBDA_FAILED, _retry(_RAISED, seconds=2, rate=3, attempts=2)],
    # The work is done; only its publication is not.
    "last_step": [_LAMBDA_FAILED, _retry(_RAISED, seconds=2, rate=3, attempts=4)],
    "machine": [_retry(["States.TaskFailed"], seconds=5, rate=3, attempts=2)],
    # Not a job that failed: it was paid for, and would fail again.
    "training_job": [_retry(["SageMaker.AmazonSageMakerException"], seconds=10, rate=2, attempts=5)],
}


def definition(machine: str) -> dict[str, Any]:
    """The definition in `state_machines/<machine>.asl.json`, written out, with its `${…}` placeholders as they stand.

    Raises:
        KeyError: a Retry names no block of `RETRIES`.
    """
    loaded: dict[str, Any] = json.loads((FOLDER / f"{machine}.asl.json").read_text())
    _write_out(loaded["States"])
    return loaded


def _write_out(states: dict[str, Any]) -> None:
    for state in states.values():
        if "Retry" in state:
            state["Retry"] = RETRIES[state["Retry"]]
        if "Catch" in state:
            handler = state["Catch"]
            if isinstance(handler, str):
                handler = {"Output": "{% $states.errorOutput %}", "Next": handler}
            state["Catch"] = [{"ErrorEquals": ["States.ALL"], **handler}]
        if "ItemProcessor" in state:
            _write_out(state["ItemProcessor"]["States"])
