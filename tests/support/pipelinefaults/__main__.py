"""`python -m tests.support.pipelinefaults`: every kind of point goes wrong in every way, one at a time."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tests.support import emulator
from tests.support.pipelinefaults import FAULTS, Calls, Story
from tests.support.pipelinefaults.interleaved import interleavings
from tests.support.pipelinefaults.plan import Armed, each, kinds
from tests.support.session import session

ROOT = Path(__file__).parents[3]


def main(arguments: list[str]) -> int:
    """Ends with 1 when one run ends differently from the one without faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("states", nargs="*", help="only points of these states, such as Publish")
    parser.add_argument("--fault", action="append", choices=[fault.name for fault in FAULTS])
    parser.add_argument("--minutes", type=float, default=600, help="begins nothing more after so long")
    parser.add_argument("--interleaved", action="store_true", help="two executions at once instead of faults")
    options = parser.parse_args(arguments)
    console, failures, began = Console(soft_wrap=True), 0, time.monotonic()
    tried: Counter[str] = Counter()
    with story() as told:
        console.print(f"{len(told.points)} points of {len(kinds(told.points))} kinds")
        if options.interleaved:
            for name, said in interleavings(told):
                tried["interleaved"] += 1
                failures += _say(console, name, said)
                if time.monotonic() - began > options.minutes * 60:
                    break
            plan: list[Armed] = []
        else:
            plan = [
                armed
                for armed in each(told.points)
                if all(not options.states or point.function in options.states for point in armed)
                and all(not options.fault or fault.name in options.fault for fault in armed.values())
            ]
        for armed in plan:
            if time.monotonic() - began > options.minutes * 60:
                break
            ((point, fault),) = armed.items()
            tried[fault] += 1
            failures += _say(console, f"{point}: {fault}", told.tell(armed))
    console.print(
        dict(tried), f"of {len(plan)} in {time.monotonic() - began:.0f} s; {failures} ended differently"
    )
    return int(failures > 0)


def _say(console: Console, name: str, messages: list[str]) -> int:
    console.print(f"{'NOT ' if messages else ''}ok  {name}", markup=False)
    for sentence in messages:
        console.print(f"    {sentence}", markup=False)
    return int(bool(messages))


@contextmanager
def story() -> Iterator[Story]:
    """A story on an emulator of its own."""
    with session() as endpoint, (calls := Calls()).installed():
        yield Story.begin(emulator.fresh(endpoint), calls)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
