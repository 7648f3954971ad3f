"""`millrace doctor`: checks every path of a deployed platform with an event of its own."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.api import must_answer
from cli.options import Env, Json
from cli.output import complain, counted, err, fitted, out, print_json
from cli.target import find_target

if TYPE_CHECKING:
    from millrace.canary.journey import PathCheck


# What a path that is well has shown.
WORDS = {
    "http": "events sent over HTTP are accepted",
    "table": "an accepted event is in the table Events",
    "projection": "its user's events list it",
    "archive": "it is in raw, with its manifest row",
    "route": "it is on the bus for subscribers",
    "fraud": "a transaction has its decision",
    "gzip": "a compressed request is taken, and a repeated event known",
    "log-only": "an event without a row is in raw",
    "quarantine": "a refused event is kept with its reason",
    "reads": "the API lists the event by its type",
    "count": "it is counted, and in its window over HTTP",
    "bus": "an event from the bus is accepted",
    "capture": "new rows of Events go into the log",
    "dead-letters": "no record is set aside",
    "failed-batches": "no batch was given up",
    "failed-invocations": "no failed call waits in a queue",
    "catalog": "the API lists the tables",
    "tiles": "what was counted is folded into tiles",
    "timers": "timers of patterns are looked after in time",
}


def doctor(
    wait: Annotated[
        float, typer.Option("--wait", min=1, max=600, help="Seconds within which events must arrive.")
    ] = 60,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Send an event down every path; show which arrived, how soon, and what else needs attention."""
    from cli.doctor import Doctor

    target = find_target(env)
    checks: list[PathCheck] = []
    with err.status("checking …") as status:
        must_answer(target)
        for check in Doctor(target, wait).checks(lambda name: status.update(f"{name} …")):
            checks.append(check)
    if as_json:
        print_json({"checks": [check.to_json() for check in checks]})
    else:
        rows = [
            (check.path, check.status, "" if check.ms is None else str(check.ms), _words(check))
            for check in checks
        ]
        out.print(fitted(("path", "status", "ms", "detail"), rows, folded={"detail"}))
    failed = [check.path for check in checks if check.status == "fail"]
    if failed:
        # With --json, too, the checks stay the last line of standard output.
        complain(f"{len(failed)} of {counted(len(checks), 'check')} failed: {', '.join(failed)}")
        raise typer.Exit(1)


def _words(check: "PathCheck") -> str:
    return check.detail or (WORDS.get(check.path, "") if check.status == "ok" else "")
