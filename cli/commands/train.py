"""`millrace train`: the tenant's fraud models, trained, judged, registered, and the best of them served."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.markup import escape

from cli.commands.models import show
from cli.errors import RefusedError, UsageError
from cli.learning import brought, models
from cli.options import Env, Json, Org
from cli.output import complain, err, out, print_json
from cli.runs import OUTPUTS, run
from cli.target import Target, find_target

if TYPE_CHECKING:
    from millrace.runs.names import Machine

WAIT_MINUTES = 60.0
MACHINE: "Machine" = "train_model"
DELAY_DAYS = 7


def train(
    *,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="A folder of card transactions as Parquet, instead of the lake's."),
    ] = None,
    train_from: Annotated[
        str | None, typer.Option("--train-from", help="First UTC day to train on (default: what there is).")
    ] = None,
    train_to: Annotated[str | None, typer.Option("--train-to", help="Last day to train on.")] = None,
    test_from: Annotated[
        str | None, typer.Option("--test-from", help="First day to judge by, at least 8 after --train-to.")
    ] = None,
    test_to: Annotated[str | None, typer.Option("--test-to", help="Last day to judge by.")] = None,
    minutes: Annotated[
        float, typer.Option("--wait", min=0.1, help="Minutes to wait for the training.")
    ] = WAIT_MINUTES,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Train the fraud models, and let the best that passes the gates serve."""
    target = find_target(env)
    whose = models.tenant(target, org)
    given: dict[str, Any] = {"org": whose, "model": models.MODEL}
    split = chosen(train_from, train_to, test_from, test_to)
    if split is not None:
        given["split"] = split
    with err.status("starting …") as shown:

        def say(step: str) -> None:
            shown.update(f"{escape(step)} …")

        if data is not None:
            given["data"] = brought.bring(target, whose, brought.files(data, whose), say)
        run_id, status, cause = run(target, MACHINE, given, seconds=minutes * 60, say=say)
    if status != "SUCCEEDED":
        raise RefusedError(cause or f"{run_id} ended {status}")
    done = outcome(target, run_id, whose)
    if done["status"] == "refused":
        raise RefusedError(done["why"])
    found = document(run_id, done)
    if as_json:
        print_json(found)
    else:
        show(found)
        out.print(sentence(found), markup=False)
    for one in found["models"]:
        if one.get("mlflow", "").startswith("not logged"):
            complain(one["mlflow"])
            break
    if not any(one["status"] in ("candidate", "champion", "trial") for one in found["models"]):
        raise RefusedError("" if as_json else "no model passed the gates; what served before serves on")


def chosen(
    train_from: str | None, train_to: str | None, test_from: str | None, test_to: str | None
) -> dict[str, Any] | None:
    """The machine's split; None chooses by what there is.

    Raises:
        UsageError: only some of the days are given, or they are no split.
    """
    from millrace.core.errors import PermanentError
    from millrace.training.split import as_asked

    days = {"trainFrom": train_from, "trainTo": train_to, "testFrom": test_from, "testTo": test_to}
    if all(day is None for day in days.values()):
        return None
    if any(day is None for day in days.values()):
        raise UsageError("--train-from, --train-to, --test-from and --test-to go together")
    split = {**days, "delayDays": DELAY_DAYS}
    try:
        as_asked(split)
    except PermanentError as error:
        raise UsageError(str(error)) from error
    return split


def outcome(target: Target, run_id: str, org: str) -> dict[str, Any]:
    """What a training that ended well says of a tenant.

    Raises:
        RefusedError: it says nothing of it.
    """
    from millrace.runs.start import execution_arn

    arn = execution_arn(target.output(OUTPUTS[MACHINE]), run_id)
    said = orjson.loads(target.client("stepfunctions").describe_execution(executionArn=arn)["output"])
    for one in said["trainings"]:
        if one["org"] == org:
            found: dict[str, Any] = one
            return found
    raise RefusedError(f"{run_id} says nothing of {org}")


def document(run_id: str, done: dict[str, Any]) -> dict[str, Any]:
    """What a training made, as `--json` says it."""
    champion = done.get("champion")
    made = [
        {**one, "status": "champion" if champion and one["version"] == champion else one["status"]}
        for one in done["models"]
    ]
    return {
        "runId": run_id,
        "org": done["org"],
        "status": done["status"],
        "champion": champion,
        "models": made,
    }


def sentence(found: dict[str, Any]) -> str:
    """How it ended."""
    match found["status"]:
        case "deployed":
            return (
                f"fraud/{found['champion']} serves {found['org']} now; within a minute every scorer has it."
            )
        case "trial":
            return (
                "Trained on files that were brought along: nothing of it serves by itself. "
                "millrace models promote VERSION --force lets one serve all the same."
            )
        case _:
            return "Nothing of it serves."
