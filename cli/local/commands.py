"""`millrace up` and `millrace down`."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from cli import bootstrap, docs
from cli.errors import RefusedError
from cli.local import emulator, process
from cli.local.steps import StepError, Steps
from cli.local.up import bring_up
from cli.options import Json
from cli.output import err, out, print_json, table
from cli.places import Places, checkout
from cli.target import FIRST_ORG, SAMPLE_ORG


def up(
    events: Annotated[
        bool, typer.Option("--events/--no-events", help="Send sample events and follow them.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Start the local platform, deploy to it, send sample events and show where each one is."""
    places = checkout()
    bootstrap.stop_like_ctrl_c()
    with alone(places):
        try:
            result = bring_up(places, demo_events=events)
        except StepError as error:
            raise RefusedError(f"{error}. {error.way_out}".strip()) from error
        except KeyboardInterrupt:
            if process.running(places):
                err.print("The local AWS keeps running; make up continues from here, make down stops it.")
            raise
    if as_json:
        print_json(result)
    else:
        _show(result)
    if result["incomplete"]:
        raise RefusedError("" if as_json else f"the platform is up, but {result['incomplete']}")


def down(
    reset: Annotated[bool, typer.Option("--reset", help="Also delete the platform's data.")] = False,
    as_json: Json = False,
) -> None:
    """Stop the local platform; its data is kept for the next start."""
    places = checkout()
    steps = Steps(err)
    clean = True
    with alone(places):
        running = process.running(places)
        if running is not None:
            with steps.step("Stopping the local AWS") as step:
                clean = emulator.stop(places, running)
                step.note = "" if clean else "it had to be killed; the next start reads its journal"
        places.running.unlink(missing_ok=True)
        if reset:
            emulator.forget(places)
    if as_json:
        print_json({"stopped": running is not None, "clean": clean, "reset": reset})
    elif running is None:
        out.print("Nothing was running." + (" Its data is deleted." if reset else ""))
    elif reset:
        out.print("Stopped; its data is deleted. Start with: make up")
    else:
        out.print("Stopped; its data is kept. Start again with: make up")


@contextmanager
def alone(places: Places) -> Iterator[None]:
    """Prevents two of these commands from running in one checkout at once; says if the last one was stopped in the middle."""
    places.local.mkdir(parents=True, exist_ok=True)
    with (places.local / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RefusedError(
                "another make up or make down is running in this checkout; wait for its end"
            ) from error
        lock.seek(0)
        if lock.read():
            err.print("The last make up or make down was stopped in the middle; this one goes on from there.")
        lock.truncate(0)
        # Stays there unless this one ends by itself, as it does when it fails.
        lock.write("begun")
        lock.flush()
        try:
            yield
        except Exception:
            lock.truncate(0)
            raise
        lock.truncate(0)


def _show(result: dict[str, Any]) -> None:
    if result["events"]:
        shown = table("event", "answer", "where it is", title="What happened to the sample events")
        for event in result["events"]:
            kind = event["eventType"] + (f"\n[dim]{event['special']}[/]" if event["special"] else "")
            shown.add_row(f"{kind}\n[dim]{event['eventId']}[/]", _answer(event["answer"]), _where(event))
        out.print(shown)
        if _object(result["events"][0]):
            out.print(f"The first one is in {_object(result['events'][0])}", markup=False)
    if result["etl"]:
        made = table("table", "rows", title="Tables built by the pipeline")
        for one in sorted(
            result["etl"]["tables"], key=lambda one: str(one["table"]).partition(".")[0], reverse=True
        ):
            if one["rows"]:
                made.add_row(one["table"], str(one["rows"]))
        out.print(made)
    out.print(f"Ready in {result['seconds']:.0f} s: {result['apiUrl']}")
    whose = f"The samples are events of {SAMPLE_ORG}, {FIRST_ORG} is yours. " if result["events"] else ""
    out.print(f"\n{whose}To look around, and to send events of your own:")
    for line in hints(result):
        out.print(f"  {line}", markup=False)
    out.print(f"\nThe guide: {docs.guide(checkout())}", markup=False, highlight=False)


def _answer(answer: dict[str, Any]) -> str:
    errors = [f"{error['pointer'] or '/'} {error['code']}" for error in answer.get("errors", [])]
    return "\n".join([answer["status"], *errors])


def _where(event: dict[str, Any]) -> str:
    if event["trace"] is None:
        kept = event["answer"].get("quarantineId")
        return f"quarantine {kept}" if kept else "stored once"
    return " → ".join(step["step"] for step in event["trace"]["steps"])


def _object(event: dict[str, Any]) -> str:
    """The Parquet object that holds an event, if it is archived."""
    steps = event["trace"]["steps"] if event["trace"] else []
    return next((str(step["detail"]["object"]) for step in steps if step["step"] == "archived"), "")


def hints(result: dict[str, Any]) -> list[str]:
    """Commands to type next, each line ready to copy."""
    key = f'$(python3 -c \'import json; print(json.load(open(".local/keys.json"))["{FIRST_ORG}"])\')'
    lines = []
    if accepted := [event["eventId"] for event in result["events"] if event["trace"]]:
        lines = [
            f".venv/bin/millrace trace {accepted[0]} --org {SAMPLE_ORG}",
            f".venv/bin/millrace quarantine list --org {SAMPLE_ORG}",
        ]
    return [
        *lines,
        ".venv/bin/millrace seed --count 500",
        f"KEY={key}",
        f"curl -s -H \"Authorization: Bearer $KEY\" '{result['apiUrl']}/v1/events?eventType=order.created'",
        ".venv/bin/millrace etl",
        ".venv/bin/millrace query 'select * from gold.merchant_10min limit 5'",
        "make down",
    ]
