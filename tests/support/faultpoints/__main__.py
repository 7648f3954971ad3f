"""`python -m tests.support.faultpoints`: every point that is recorded goes wrong in every way, one at a time."""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from millrace.compiler.bundle import assemble
from tests.support.faultpoints import Calls, Fault, Point, Story, different
from tests.support.faultpoints.plan import each
from tests.support.platform import platform

ROOT = Path(__file__).parents[3]
SAID_EVERY = 25


def main(arguments: list[str]) -> int:
    """Ends with 1 when one end differs from the faultless one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("functions", nargs="*", help="only points of these functions")
    options = parser.parse_args(arguments)
    console, failures = Console(soft_wrap=True), 0
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
        POWERTOOLS_METRICS_NAMESPACE="Millrace",
    )
    tried: Counter[tuple[str, str]] = Counter()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        assemble(ROOT / "schemas", ROOT / "warehouse", Path(folder))
        os.environ["MILLRACE_BUNDLE"] = folder
        calls = Calls()
        with platform(Path(folder), scoring=True) as running, calls.installed():
            story = Story(running, calls)
            expected = story.tell()
            plan = list(
                each([p for p in calls.points if not options.functions or p.function in options.functions])
            )
            for done, armed in enumerate(plan):
                ((point, fault),) = armed.items()
                if done % SAID_EVERY == 0:
                    console.print(f"{done} of {len(plan)}: {point}", markup=False)
                failures += _try(story, calls, armed, expected, console)
                tried[(point.function, fault)] += 1
    console.print(_table(tried))
    console.print(f"{len(plan)} runs in {time.monotonic() - started:.0f} s, {failures} ended differently")
    return int(failures > 0)


def _try(story: Story, calls: Calls, armed: dict[Point, Fault], expected: object, console: Console) -> int:
    calls.arm(armed)
    try:
        state = story.tell()
        messages = list(different(expected, state))  # type: ignore[arg-type]
        messages += [f"{point} was not reached" for point in armed if point not in calls.struck]
    except AssertionError as error:
        messages = [str(error)]
    for sentence in messages:
        console.print(f"{armed}: {sentence}", markup=False)
    return int(bool(messages))


def _table(tried: Counter[tuple[str, str]]) -> Table:
    made = Table("function", *(str(fault) for fault in Fault))
    for function in sorted({function for function, _ in tried}):
        made.add_row(function, *(str(tried[(function, fault)]) for fault in Fault))
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
