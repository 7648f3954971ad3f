"""`millrace doctor`: every path of a deployed platform, proven by an event of its own."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Env, Json
from cli.output import complain, err, out, print_json, table
from cli.target import find_target

if TYPE_CHECKING:
    from millrace.canary.journey import Check


def doctor(
    wait: Annotated[
        float, typer.Option("--wait", min=1, max=600, help="Seconds in which events have to arrive.")
    ] = 60,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Send an event down every path; show what arrived, how soon, and what else is in trouble."""
    from cli.doctor import Doctor

    checks: list[Check] = []
    with err.status("checking …") as status:
        for check in Doctor(find_target(env), wait).checks(lambda name: status.update(f"{name} …")):
            checks.append(check)
    if as_json:
        print_json({"checks": [check.to_json() for check in checks]})
    else:
        shown = table("path", "status", "ms", "")
        for check in checks:
            shown.add_row(check.path, check.status, "" if check.ms is None else str(check.ms), check.detail)
        out.print(shown)
    failed = [check.path for check in checks if check.status == "fail"]
    if failed:
        # The checks are the last line, also for a program.
        complain(f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}")
        raise typer.Exit(1)
