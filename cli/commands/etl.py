"""`millrace etl`: runs the pipeline now, over new data or over an interval of days."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from cli.errors import RefusedError, UsageError
from cli.options import Env, Json
from cli.output import complain, counted, err, out, print_json, table
from cli.runs import document, failure_sentences, run
from cli.target import Target, find_target
from millrace.quality.checks import FRESHNESS

# A longer interval is a backfill: one run a day, resumable, and one over the other tables.
DAYS_AT_ONCE = 7
WAIT_MINUTES = 60.0
SHOWN = 20


def etl(
    first: Annotated[
        str | None,
        typer.Option(
            "--from", help="First UTC day, such as 2026-11-01 (default: new data since the last run)."
        ),
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last UTC day, inclusive.")] = None,
    minutes: Annotated[
        float, typer.Option("--wait", min=0.1, help="Minutes to wait for the run.")
    ] = WAIT_MINUTES,
    seal: Annotated[
        bool, typer.Option("--seal", help="Then seal the days of aggregates that have changed.")
    ] = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Build silver, gold, marts and ml_features from new data, or from the days --from to --to."""
    target = find_target(env)
    backfill, machine_input = request_of(first, last)
    with err.status("starting …") as shown:
        run_id, status, cause = run(
            target,
            "backfill" if backfill else "hourly_etl",
            machine_input,
            seconds=minutes * 60,
            say=lambda step: shown.update(f"{escape(step)} …"),
        )
    done = document(target, run_id)
    if done is None:
        raise RefusedError(cause or f"{run_id} ended {status} and left no summary")
    if as_json:
        print_json(done)
    else:
        show(done)
    if seal:
        _seal(target, minutes)
    if status != "SUCCEEDED":
        for sentence in missing(done, cause):
            complain(sentence)
        again = f"millrace etl --from {first} --to {last}" if first else "millrace etl"
        raise RefusedError("" if as_json else f"{run_id} is not complete; {remedy(done, again)}")


def _seal(target: Target, minutes: float) -> None:
    """Runs the machine of aggregates' days.

    Raises:
        RefusedError: it failed; what it did stands.
    """
    with err.status("sealing …") as shown:
        run_id, status, cause = run(
            target,
            "seal_tiles",
            {},
            seconds=minutes * 60,
            say=lambda step: shown.update(f"{escape(step)} …"),
        )
    if status != "SUCCEEDED":
        raise RefusedError(cause or f"{run_id} ended {status}")
    err.print(
        f"Run {run_id}: days of aggregates are sealed as far as their events were accepted before today, "
        f"{datetime.now(UTC):%Y-%m-%d} UTC. What was accepted today is counted live, and sealed tomorrow.",
        markup=False,
    )


def request_of(first: str | None, last: str | None) -> tuple[bool, dict[str, Any]]:
    """Whether it is a backfill, and the state machine's input.

    Raises:
        UsageError: the days are not an interval.
    """
    from millrace.core.errors import PermanentError
    from millrace.runs.names import days_of

    refresh = {"refresh": ["hourly", "daily"]}
    if first is None and last is None:
        return False, refresh
    if first is None or last is None:
        raise UsageError("--from and --to go together")
    try:
        start, end = days_of(first, last)
    except PermanentError as error:
        raise UsageError(str(error)) from error
    interval = {"from": f"{start}", "to": f"{end}"}
    if (end - start).days >= DAYS_AT_ONCE:
        return True, interval
    return False, {**interval, **refresh}


def remedy(done: dict[str, Any], again: str) -> str:
    """What to do about a run that is not complete; `again` is the command of the run."""
    failures = done.get("failures", [{}])
    if all(failure.get("step") == "archive" for failure in failures):
        return f"millrace doctor shows what the archive waits for; then {again} takes in the rest"
    tables = [str(failure.get("table") or "") for failure in failures]
    if any(name.startswith("silver.") or not name for name in tables) and again == "millrace etl":
        return "millrace pending list shows the tenant-days that no run commits"
    return f"what is named keeps its last rows; when the cause is mended: {again}"


def missing(done: dict[str, Any], cause: str) -> list[str]:
    """What was not committed, a sentence each; the run's own cause where it left none."""
    return failure_sentences(done.get("failures", []), shown=SHOWN) or [cause]


def show(done: dict[str, Any]) -> None:
    """Prints the tables, and the checks that did not pass."""
    tables = table("table", "rows", "snapshot", title=f"Run {done['runId']}")
    for one in done["tables"]:
        tables.add_row(one["table"], str(one["rows"]), str(one["snapshot"] or "–"))
    if done["tables"]:
        out.print(tables)
    else:
        outside = " except in tenant-days that are set aside" if done.get("setAside") else ""
        out.print(f"Run {done['runId']}: no new data{outside}.", markup=False)
    bad = [check for check in done["checks"] if check["status"] not in ("pass", "skip")]
    if bad:
        checks = table("table", "check", "status", title="Checks that did not pass")
        for check in bad:
            # Freshness keeps no rows out.
            status = "late" if check["check"] == FRESHNESS else check["status"]
            checks.add_row(check["table"], check["check"], status)
        out.print(checks)
    out.print(f"{len(done['checks']) - len(bad)} of {counted(len(done['checks']), 'check')} passed")
    if aside := done.get("setAside"):
        out.print(f"{counted(aside, 'tenant-day')} set aside: millrace pending list")
