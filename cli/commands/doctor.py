"""`millrace doctor`: checks every path of a deployed platform with an event of its own."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.api import must_answer
from cli.options import Env, Json
from cli.output import complain, counted, err, fitted, out, print_json
from cli.target import find_target

if TYPE_CHECKING:
    from millrace.canary.journey import PathCheck


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
            (check.path, check.status, "" if check.ms is None else str(check.ms), check.detail)
            for check in checks
        ]
        out.print(fitted(("path", "status", "ms", "detail"), rows, folded={"detail"}))
    failed = [check.path for check in checks if check.status == "fail"]
    if failed:
        # With --json, too, the checks stay the last line of standard output.
        complain(f"{len(failed)} of {counted(len(checks), 'check')} failed: {', '.join(failed)}")
        raise typer.Exit(1)
