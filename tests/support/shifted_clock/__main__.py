"""`python -m tests.support.shifted_clock`: the suite on one other day after another; ends with 1 where a test fails."""

import argparse
import os
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from tests.support.shifted_clock import preload, shifts
from tests.support.shifted_clock.run import Outcome, run

KINDS = ("unit", "contract", "integration", "infrastructure", "e2e")


def main(arguments: list[str]) -> int:
    """Ends with 1 where a test fails, and with 2 where nothing can be run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shifts", default=" ".join(shifts.SHIFTS), help="+Nd, HH:MM, leap-day, year-end")
    parser.add_argument(
        "--tests", default=" ".join(f"tests/{kind}" for kind in KINDS), help="files or folders"
    )
    options = parser.parse_args(arguments)
    console, now = Console(soft_wrap=True), datetime.now(UTC)
    names, tests = options.shifts.split(), options.tests.split()
    try:
        days = {name: shifts.moment(name, now) for name in names}
        preload.library()
    except (ValueError, preload.NoShiftError) as error:
        console.print(str(error), style="red", markup=False)
        return 2
    more = shlex.split(os.environ.get("PYTEST_ARGS", ""))
    outcomes: dict[str, Outcome] = {}
    for name in names:
        outcomes[name] = Outcome()
        # A process for each, so that the year turns in each.
        for one in tests:
            console.rule(f"{name}, {days[name]:%Y-%m-%d %H:%M} UTC: {one}")
            outcomes[name] += run(name, one, more)
    console.print(_table(outcomes, days))
    return int(any(outcome.failed or not outcome.ended for outcome in outcomes.values()))


def _table(outcomes: Mapping[str, Outcome], days: Mapping[str, datetime]) -> Table:
    made = Table("shift", "from (UTC)", "passed", "failed", "skipped", "seconds")
    for name, outcome in outcomes.items():
        failed = f"{outcome.failed}" if outcome.failed or outcome.ended else "did not run"
        made.add_row(
            name,
            f"{days[name]:%Y-%m-%d %H:%M}",
            str(outcome.passed),
            failed,
            str(outcome.skipped),
            f"{outcome.seconds:.0f}",
        )
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
