"""CloudFormation's custom resources: work done at a deploy, and the answer that CloudFormation waits for."""

import json
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

# What is left of an invocation for the answer itself.
ANSWER_SECONDS = 15.0


def respond(event: Mapping[str, Any], work: Callable[[], Mapping[str, str]]) -> None:
    """Does the work on Create and Update, nothing on Delete, and answers in every case.

    Args:
        event: CloudFormation's request.
        work: gives the attributes of the resource; what it raises fails the deploy, with its sentence.
    """
    try:
        data = work() if event["RequestType"] != "Delete" else {}
    except Exception as error:  # noqa: BLE001 - without an answer CloudFormation waits until its own time is up
        _answer(event, "FAILED", f"{type(error).__name__}: {error}", {})
    else:
        _answer(event, "SUCCESS", "", data)


def acknowledge(event: Mapping[str, Any], begin: Callable[[], object], log: Callable[[str], object]) -> None:
    """Begins work that goes on by itself, on Create and Update, and answers that all is well, whatever becomes of it.

    Args:
        event: CloudFormation's request.
        begin: hands the work on; what it raises is logged.
        log: takes a line.
    """
    try:
        if event["RequestType"] != "Delete":
            begin()
    except Exception as error:  # noqa: BLE001 - a deploy does not fail for what is done beside it
        log(f"{event.get('LogicalResourceId')}: {type(error).__name__}: {error}")
    _answer(event, "SUCCESS", "", {})


def _answer(event: Mapping[str, Any], status: str, reason: str, data: Mapping[str, str]) -> None:
    answer = {
        "Status": status,
        "Reason": reason,
        # The same for every request, so that an update replaces nothing.
        "PhysicalResourceId": event.get("PhysicalResourceId", event["LogicalResourceId"]),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        "Data": dict(data),
    }
    # The signature of the address covers an empty content type.
    request = urllib.request.Request(  # noqa: S310 - the address is CloudFormation's own
        event["ResponseURL"], data=json.dumps(answer).encode(), method="PUT", headers={"content-type": ""}
    )
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS):  # noqa: S310
        pass
