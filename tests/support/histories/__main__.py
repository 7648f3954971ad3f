"""`python -m tests.support.histories N`: about N deliveries by chance, in worlds of 50,000, each checked at its end."""

import argparse
import gc
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console

from millrace.contracts.registry import Registry
from tests.support.histories import World, alerting, check
from tests.support.histories.generate import run

ROOT = Path(__file__).parents[3]
PER_WORLD = 50_000
# Orders and reviews of the hours of patterns and alerts beside each world.
SUBJECTS = 500


def main(arguments: list[str]) -> int:
    """Ends with 1 at the first history after which something is not so."""
    from millrace.compiler.bundle import assemble

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("deliveries", nargs="?", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    console, total, alerts, worlds = Console(), Counter[str](), Counter[str](), 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        assemble(ROOT / "schemas", ROOT / "warehouse", Path(folder))
        os.environ["MILLRACE_BUNDLE"] = folder
        while total.total() < options.deliveries:
            seed = options.seed + worlds
            world = World(Registry(Path(folder)), seed)
            left = options.deliveries - total.total()
            try:
                run(world, min(PER_WORLD, left), random.Random(seed))
                total += check(world)
            except AssertionError as error:
                console.print(f"seed {seed}: {error}", markup=False)
                return 1
            finally:
                world.close()
            del world
            gc.collect()
            history = alerting.History(SUBJECTS, seed)
            try:
                history.run()
                alerts += alerting.check(history)
            except AssertionError as error:
                console.print(f"seed {seed}, alerts: {error}", markup=False)
                return 1
            worlds += 1
            seconds = time.monotonic() - started
            rate = total.total() / seconds
            console.print(
                f"{total.total():>9,} deliveries in {seconds:.0f} s, {rate:,.0f}/s: {dict(total)}",
                markup=False,
            )
    console.print(f"alerts: {dict(alerts)}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
