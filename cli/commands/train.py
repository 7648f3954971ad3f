"""`millrace train`: trains, tests and registers a tenant's fraud models, and lets the best one serve."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.markup import escape

from cli.commands.models import show
from cli.errors import RefusedError, UsageError
from cli.ml import models, uploads
from cli.options import Env, Json, Org
from cli.output import complain, err, out, print_json
from cli.runs import OUTPUTS, run
from cli.target import Target, find_target
from cli.tenants import tenant

if TYPE_CHECKING:
    from millrace.runs.names import Machine

WAIT_MINUTES = 60.0
MACHINE: "Machine" = "train_model"


def train(
    *,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="A folder of card transactions as Parquet, instead of the lake's."),
    ] = None,
    train_from: Annotated[
        str | None,
        typer.Option("--train-from", help="First UTC day to train on (default: the first that exists)."),
    ] = None,
    train_to: Annotated[str | None, typer.Option("--train-to", help="Last day to train on.")] = None,
    test_from: Annotated[
        str | None, typer.Option("--test-from", help="First day to test on, at least 8 after --train-to.")
    ] = None,
    test_to: Annotated[str | None, typer.Option("--test-to", help="Last day to test on.")] = None,
    allow_lag: Annotated[
        bool,
        typer.Option("--allow-lag", help="Train although some of what was accepted is not in silver yet."),
    ] = False,
    minutes: Annotated[
        float, typer.Option("--wait", min=0.1, help="Minutes to wait for the training.")
    ] = WAIT_MINUTES,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Train the fraud models; the best one that passes the gates serves."""
    target = find_target(env)
    whose = tenant(target, org)
    request: dict[str, Any] = {"org": whose, "model": models.MODEL}
    split = requested_split(train_from, train_to, test_from, test_to)
    if split is not None:
        request["split"] = split
    if data is None and not allow_lag:
        must_be_whole(target, whose)
    with err.status("starting …") as shown:

        def say(step: str) -> None:
            shown.update(f"{escape(step)} …")

        if data is not None:
            request["data"] = uploads.upload(target, whose, uploads.files(data, whose), say)
        run_id, status, cause = run(target, MACHINE, request, seconds=minutes * 60, say=say)
    if status != "SUCCEEDED":
        raise RefusedError(cause or f"{run_id} ended {status}")
    result = training_result(target, run_id, whose)
    if result["status"] == "refused":
        raise RefusedError(result["why"])
    trained = document(run_id, result)
    if as_json:
        print_json(trained)
    else:
        show(trained)
        out.print(sentence(trained), markup=False)
    for one in trained["models"]:
        if one.get("mlflow", "").startswith("not logged"):
            complain(one["mlflow"])
            break
    if not any(one["status"] in ("candidate", "champion", "trial") for one in trained["models"]):
        raise RefusedError("" if as_json else "no model passed the gates; the champion stays")


def must_be_whole(target: Target, org: str) -> None:
    """Refuses to train on a part of the days that a training reads.

    Raises:
        RefusedError: some of what was accepted is not in silver, or it is not known whether it is.
    """
    from cli import lag

    now = datetime.now(UTC)
    if behind := lag.of_training(target, now).of(org).sentences(now):
        raise RefusedError(f"{'; '.join(behind)}. Run millrace etl first, or train without them: --allow-lag")


def requested_split(
    train_from: str | None, train_to: str | None, test_from: str | None, test_to: str | None
) -> dict[str, Any] | None:
    """The split of the state machine's input; with None the run chooses it.

    Raises:
        UsageError: only some of the days are given, or they are not a valid split.
    """
    from millrace.core.errors import PermanentError
    from millrace.training.split import DELAY_DAYS, parse_split

    days = {"trainFrom": train_from, "trainTo": train_to, "testFrom": test_from, "testTo": test_to}
    if all(day is None for day in days.values()):
        return None
    if any(day is None for day in days.values()):
        raise UsageError("--train-from, --train-to, --test-from and --test-to go together")
    split = {**days, "delayDays": DELAY_DAYS}
    try:
        parse_split(split)
    except PermanentError as error:
        raise UsageError(str(error)) from error
    return split


def training_result(target: Target, run_id: str, org: str) -> dict[str, Any]:
    """The result of a successful training for a tenant.

    Raises:
        RefusedError: the run has none for it.
    """
    from millrace.runs.start import execution_arn

    def output(arn: str) -> dict[str, Any]:
        described = target.client("stepfunctions").describe_execution(executionArn=arn)
        document: dict[str, Any] = orjson.loads(described["output"])
        return document

    for portion in output(execution_arn(target.output(OUTPUTS[MACHINE]), run_id))["executions"]:
        for one in output(portion)["trainings"]:
            if one["org"] == org:
                result: dict[str, Any] = one
                return result
    raise RefusedError(f"{run_id} has no result for {org}")


def document(run_id: str, result: dict[str, Any]) -> dict[str, Any]:
    """The result of a training as `--json` prints it."""
    champion = result.get("champion")
    made = [
        {**one, "status": "champion" if champion and one["version"] == champion else one["status"]}
        for one in result["models"]
    ]
    return {
        "runId": run_id,
        "org": result["org"],
        "status": result["status"],
        "champion": champion,
        "models": made,
    }


def sentence(trained: dict[str, Any]) -> str:
    """One sentence on the result."""
    match trained["status"]:
        case "deployed":
            return f"fraud/{trained['champion']} serves {trained['org']} now; every scorer uses it within a minute."
        case "trial":
            return (
                "Trained on uploaded files: none of the versions serves by itself. "
                "millrace models promote VERSION --force lets one serve."
            )
        case _:
            return "None of the versions serves."
