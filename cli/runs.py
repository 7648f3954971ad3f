"""Runs of the pipeline: starts them, waits for their end, reads their summaries."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from cli.errors import RefusedError
from cli.target import Target

if TYPE_CHECKING:
    from millrace.runs.documents import Summary
    from millrace.runs.names import Machine
    from millrace.runs.start import Started

POLL_SECONDS = 0.5
OUTPUTS = {
    "hourly_etl": "HourlyEtlMachine",
    "backfill": "BackfillMachine",
    "seal_tiles": "SealTilesMachine",
    "train_model": "TrainModelMachine",
}

Say = Callable[[str], None]


def run(
    target: Target, machine: "Machine", machine_input: Mapping[str, Any], *, seconds: float, say: Say
) -> tuple[str, str, str]:
    """Starts a state machine and waits for its end; first waits for a run that must not overlap with it.

    Args:
        target: the platform.
        machine: which state machine.
        machine_input: its input.
        seconds: how long to wait for both together.
        say: receives the step in progress.

    Returns:
        The run's name, its status and, if it failed, its cause.

    Raises:
        RefusedError: it took longer; it continues without this command.
    """
    states, arn = target.client("stepfunctions"), target.output(OUTPUTS[machine])
    end = time.monotonic() + seconds
    while True:
        started = _start(states, arn, machine, machine_input)
        if started.started:
            break
        _await(states, started, end, "waiting for ", say)
    ended = _await(states, started, end, "", say)
    return started.run_id, str(ended["status"]), str(ended.get("cause") or ended.get("error") or "")


def _start(states: Any, arn: str, machine: "Machine", machine_input: Mapping[str, Any]) -> "Started":
    from millrace.runs.names import takes_what_is_new
    from millrace.runs.start import Started, execution_arn, running, start

    if "from" not in machine_input:
        # It builds hourly and daily tables, so it waits for either kind of run over new data.
        for name in running(states, arn):
            if takes_what_is_new(name):
                return Started(False, name, execution_arn(arn, name))
    return start(states, arn, machine, machine_input, datetime.now(UTC))


def _await(states: Any, started: "Started", end: float, why: str, say: Say) -> dict[str, Any]:
    while True:
        execution: dict[str, Any] = states.describe_execution(executionArn=started.arn)
        if execution["status"] != "RUNNING":
            return execution
        if time.monotonic() > end:
            raise RefusedError(
                f"{started.run_id} is still running and continues without this command; "
                "it commits its tables one after another. Wait longer with --wait, or check later"
            )
        say(f"{why}{started.run_id}: {_step(states, started.arn)}")
        time.sleep(POLL_SECONDS)


def _step(states: Any, arn: str) -> str:
    """The state that the run entered last, and its table or model."""
    page = states.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=50)
    entered = [event for event in page["events"] if "stateEnteredEventDetails" in event]
    if not entered:
        return "starting"
    details = max(entered, key=lambda event: int(event["id"]))["stateEnteredEventDetails"]
    try:
        state_input = orjson.loads(details.get("input") or "null")
    except orjson.JSONDecodeError:
        state_input = None
    about = state_input if isinstance(state_input, str) else None
    if isinstance(state_input, dict):
        # The table that is built, or the model that is trained.
        about = state_input.get("table") or state_input.get("model")
    return f"{details['name']} {about or ''}".strip()


def document(target: Target, run_id: str) -> dict[str, Any] | None:
    """The result of a run, as `millrace etl --json` prints it; None where it left no summary.

    The result of a backfill is that of its runs together: each table as the last run left it, each check at its worst.
    """
    from millrace.core.objects import Objects
    from millrace.quality.results import worst
    from millrace.runs.store import RunStore

    store = RunStore(Objects(target.client("s3"), target.output("LakeBucket")))
    summaries = list(_summaries(store, run_id))
    if not summaries:
        return None
    tables: dict[str, dict[str, Any]] = {}
    checks: dict[tuple[str, str], dict[str, Any]] = {}
    for summary in sorted(summaries, key=lambda one: one.ended_at):
        for one in summary.tables:
            # A table that a run did not change has no snapshot of that run.
            if one.snapshot is not None or one.table not in tables:
                tables[one.table] = {"table": one.table, "rows": one.rows, "snapshot": one.snapshot}
        for check in summary.checks:
            before = checks.get((check.table, check.check), {}).get("status", "pass")
            checks[check.table, check.check] = {
                "table": check.table,
                "check": check.check,
                "status": worst([before, check.status]),
            }
    failures = [failure for summary in summaries for failure in summary.failures]
    totals = {"runId": run_id, "tables": list(tables.values()), "checks": list(checks.values())}
    aside = max(summary.set_aside for summary in summaries)
    more: dict[str, Any] = {"failures": failures, "setAside": aside, "notArchived": not_archived(summaries)}
    return totals | {name: value for name, value in more.items() if value}


def not_archived(summaries: Sequence["Summary"]) -> dict[str, int]:
    """Tenant → events that were accepted before a run began and are not in it: of several runs the last one that has a mark."""
    marked = [one for one in summaries if one.mark is not None]
    last = max(marked, key=lambda one: one.started_at, default=None)
    return dict(last.mark.not_archived) if last is not None and last.mark is not None else {}


def failure_sentences(failures: Sequence[Mapping[str, Any]], *, shown: int) -> list[str]:
    """What was not committed and why: a sentence for each of the first `shown` failures, and how many more there are."""
    sentences = []
    for failure in failures[:shown]:
        where = " ".join(str(failure[name]) for name in ("table", "org", "day") if failure.get(name))
        reason = failure.get("error") or failure.get("reason") or "was not committed"
        sentences.append(f"{where}: {reason}" if where else str(reason))
    more = len(failures) - shown
    return [*sentences, f"and {more} more"] if more > 0 else sentences


def _summaries(store: Any, run_id: str) -> Iterator["Summary"]:
    plan = store.backfill(run_id)
    if plan is None:
        own = store.summary(run_id)
        if own is not None:
            yield own
        return
    for child in (*plan.done, *plan.days, plan.tables):
        ended = [one for name in child.names if (one := store.summary(name)) is not None]
        yield from ended[-1:]
