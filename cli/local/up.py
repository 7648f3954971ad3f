"""`millrace up`: from a checkout to a running platform with events in it."""

import os
from datetime import UTC, datetime
from typing import Any

import orjson

from cli import gate, runs
from cli.errors import CommandError, UsageError
from cli.local import capture, cdk, demo, deploy, emulator, preflight, process
from cli.local.steps import Steps
from cli.output import counted, err
from cli.places import Places, port
from cli.target import SAMPLE_ORG, Target

# The first run's functions start cold, one after the other.
ETL_SECONDS = 180.0
# Of what a run left out.
SHOWN = 3


def bring_up(places: Places, *, demo_events: bool = True) -> dict[str, Any]:
    """Sets up, starts, deploys and shows; steps that are done already are skipped.

    Returns:
        `env`, `apiUrl`, `seconds`, `deployed` (whether this run did), `events` (the samples with answer and trace),
        `etl` (the pipeline's result; None without new data) and `incomplete` (why it is not complete; empty: it is).

    Raises:
        StepError: a step failed; the platform stays as it is.
        UsageError: `MILLRACE_PORT` is not a port.
    """
    try:
        wanted_port = port(places)
    except ValueError as error:
        raise UsageError(str(error)) from error
    preflight.check(places, wanted_port)
    steps = Steps(err)
    running = process.running(places)
    if running is not None and not emulator.installed(places):
        # It runs on files that are about to be replaced.
        with steps.step("Stopping the local AWS"):
            emulator.stop(places, running)
    with steps.step("Installing the local AWS"):
        emulator.install(places)
    with steps.step("Installing the CDK"):
        cdk.install(places)
    with steps.step("Building the layers"):
        deploy.build_layers(places)
    with steps.step("Starting the local AWS") as step:
        step.note = _start(places, wanted_port)
    target = Target("local", deploy.local_api_url("", wanted_port))
    deployed = _deploy(places, target, steps, wanted_port)
    with steps.step("Opening the capture of new events"):
        outputs = deploy.outputs(deployed["stacks"], wanted_port)
        target = Target("local", outputs["ApiUrl"], outputs)
        capture.open_capture(target)
    with steps.step("Keys of the demo tenants") as step:
        keys = demo.ensure_keys(places, target)
        target = Target("local", outputs["ApiUrl"], outputs, keys)
        # Written last: where it exists, the platform is ready.
        places.outputs.write_bytes(orjson.dumps(outputs, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        step.note = os.path.relpath(places.keys, places.root)
    events = _send(places, target, steps) if demo_events else []
    fresh = any(event["trace"] for event in events)
    made, incomplete = run_pipeline(target, steps) if fresh else (None, "")
    return {
        "env": "local",
        "apiUrl": target.api_url,
        "seconds": round(steps.seconds, 1),
        "deployed": deployed["now"],
        "events": events,
        "etl": made,
        "incomplete": incomplete,
    }


def _start(places: Places, wanted_port: int) -> str:
    running = process.running(places)
    if running is not None and running.port == wanted_port and emulator.healthy(wanted_port):
        return f"was running on port {wanted_port}"
    if running is not None:
        emulator.stop(places, running)
    started = emulator.start(places, wanted_port)
    recovered = emulator.recovery(started.port)
    return recovered or f"{emulator.endpoint(started.port)}, process {started.pid}"


def _deploy(places: Places, target: Target, steps: Steps, wanted_port: int) -> dict[str, Any]:
    wanted = deploy.fingerprint(places.root)
    with steps.step("Checking the deployment") as step:
        stacks = deploy.deployed(target)
        current = deploy.is_current(places, wanted, stacks)
        step.note = "no changes" if current else "changed"
    if current:
        return {"stacks": stacks, "now": False}
    # A wrong setting is told here, and not by the CDK below a stack trace.
    from stacks.environment import environment_named

    environment_named("local")

    with steps.step("Comparing the contracts") as step:
        step.note = gate.check(target.client("cloudformation"), target.env, places.root / "schemas")
    # The old outputs would describe a platform that is being changed.
    places.outputs.unlink(missing_ok=True)
    with steps.step("cdk bootstrap") as step:
        step.note = "" if deploy.bootstrap(places, target) else "done before"
    with steps.step("cdk deploy") as step:
        deploy.deploy(places, target)
        emulator.save(wanted_port)
        stacks = deploy.deployed(target)
        deploy.record_deployment(places, wanted, stacks)
        step.note = ", ".join(stack["name"] for stack in stacks)
    return {"stacks": stacks, "now": True}


def _send(places: Places, target: Target, steps: Steps) -> list[dict[str, Any]]:
    named = demo.samples(places, datetime.now(UTC))
    with steps.step("Sending sample events") as step:
        results = demo.send_samples(target, [event for _, event in named])
        step.note = f"{counted(len(results), 'event')} of {SAMPLE_ORG}"
    accepted = [result["eventId"] for result in results if result["status"] == "accepted"]
    with steps.step("Following them to the lake") as step:
        traces = demo.await_traces(target, accepted)
        done = sum(demo.settled(trace) for trace in traces.values())
        step.note, step.complete = f"{done} of {len(accepted)} complete", done == len(accepted)
    return [
        {
            "eventId": event["eventId"],
            "eventType": event["eventType"],
            "special": special,
            "answer": result,
            "trace": traces.get(event["eventId"]) if result["status"] == "accepted" else None,
        }
        for (special, event), result in zip(named, results, strict=True)
    ]


def run_pipeline(target: Target, steps: Steps) -> tuple[dict[str, Any] | None, str]:
    """One run over the new data, and why it is not complete; the platform is up nevertheless."""
    with steps.step("Building silver, gold and marts") as step:
        try:
            run_id, status, cause = runs.run(
                target, "hourly_etl", {"refresh": ["hourly"]}, seconds=ETL_SECONDS, say=lambda _: None
            )
        except CommandError as error:
            step.note, step.complete = str(error), False
            return None, step.note
        made = runs.document(target, run_id)
        tables = [one for one in made["tables"] if one["rows"]] if made else []
        step.note = f"{run_id}, {counted(len(tables), 'table')}"
        if status == "SUCCEEDED":
            return made, ""
        step.complete = False
        said = runs.failure_sentences(made.get("failures", []), shown=SHOWN) if made else []
    return made, f"{run_id} is not complete: {'; '.join(said) or cause}"
