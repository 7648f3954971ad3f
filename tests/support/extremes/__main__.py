"""`python -m tests.support.extremes [TURNS]`: so many extremes of every field of every contract, through the whole platform."""

import argparse
import sys
import time

from rich.console import Console

from tests.support.extremes.story import Size, run_extremes
from tests.support.session import session


def main(arguments: list[str]) -> int:
    """Ends with 1 when an event is not where it belongs, or another tenant has something else than without them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("turns", nargs="?", type=int, default=40, help="events of each contract in a run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=1, help="each with the next extremes of every field")
    parser.add_argument(
        "--crowd", type=int, default=2000, help="events of one user, session, flow and entity"
    )
    options = parser.parse_args(arguments)
    console, failures = Console(soft_wrap=True, width=400), 0
    with session() as endpoint:
        for number in range(options.runs):
            began = time.monotonic()
            later = range(2 + number * options.turns, 2 + (number + 1) * options.turns)
            size = Size(
                [0, 1, *later],
                edges=2,
                crowd=options.crowd,
                refusals=600,
                sample=300,
                seed=options.seed + number,
            )
            report = run_extremes(endpoint, size)
            for sentence in report.wrong:
                console.print(f"NOT  {sentence[:1500]}", markup=False)
            failures += len(report.wrong)
            seconds = time.monotonic() - began
            console.print(
                f"run {number + 1}: {dict(report.figures)} in {seconds:.0f} s {report.seconds}; {len(report.wrong)} violations",
                markup=False,
            )
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
