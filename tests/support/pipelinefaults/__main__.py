"""`python -m tests.support.pipelinefaults`: every kind of point goes wrong in every way, one at a time."""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from cli.local import emulator as ministack
from cli.places import checkout
from millrace.compiler.bundle import assemble
from tests.support import emulator
from tests.support.pipelinefaults import FAULTS, Calls, Story
from tests.support.pipelinefaults.interleaved import interleavings
from tests.support.pipelinefaults.plan import Armed, each, kinds

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
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(AWS_EC2_METADATA_DISABLED="true", POWERTOOLS_METRICS_NAMESPACE="Millrace")
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        assemble(ROOT / "schemas", ROOT / "warehouse", bundle)
        os.environ["MILLRACE_BUNDLE"] = str(bundle)
        ministack.install(checkout())
        places = emulator.OwnPlaces(checkout().root, Path(folder))
        started = ministack.start(places, emulator.free_port())
        endpoint, calls = ministack.endpoint(started.port), Calls()
        try:
            with emulator.pointed_at(endpoint), calls.installed():
                yield Story.begin(emulator.fresh(endpoint), calls)
        finally:
            ministack.stop(places, started)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
