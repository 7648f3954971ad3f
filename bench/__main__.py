"""`python -m bench`: runs every goal, prints one table, and ends with 1 when a goal is missed."""

import argparse
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from bench import report
from bench.figure import Figure
from millrace.compiler.bundle import assemble

HERE = Path(__file__).parent
GOALS = sorted(path.stem for path in HERE.glob("p[0-9][0-9]_*.py"))


def main(arguments: list[str]) -> int:
    """Runs the goals that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("goals", nargs="*", help="such as P1 P4; all if none is named")
    parser.add_argument("--write", action="store_true", help="write bench/RESULTS.md as well")
    options = parser.parse_args(arguments)
    wanted = {f"p{int(name.lstrip('pP')):02d}" for name in options.goals}
    if unknown := wanted - {stem[:3] for stem in GOALS}:
        parser.error(f"no such goal: {', '.join(sorted(unknown))}")
    console = Console()
    figures: list[Figure] = []
    with surroundings():
        for stem in [stem for stem in GOALS if not wanted or stem[:3] in wanted]:
            module = importlib.import_module(f"bench.{stem}")
            with console.status(f"measuring {stem}"):
                figures += module.measure()
        throughput = None
        if not wanted:
            with console.status("measuring throughput"):
                throughput = importlib.import_module("bench.throughput").measure()
    console.print(table(figures))
    if throughput is not None:
        console.print(throughput)
    if options.write:
        results = HERE / "RESULTS.md"
        results.write_text(report.document(figures, throughput, results.read_text() if wanted else ""))
    return int(not all(figure.passed for figure in figures))


def table(figures: list[Figure]) -> Table:
    """Goal, what was measured, ratio, target, and whether it is kept."""
    made = Table(title="Goals of performance.md")
    for heading in ("goal", "what", "ratio", "target", "pass"):
        made.add_column(heading, justify="right" if heading in ("ratio", "target") else "left")
    for figure in figures:
        verdict = "–" if not figure.held else "[green]yes" if figure.passed else "[red]no"
        made.add_row(figure.goal, figure.what, f"{figure.ratio:.3g}", figure.wanted, verdict)
    return made


@contextmanager
def surroundings() -> Iterator[None]:
    """Compiled contracts and an account that is none, so that no measurement can leave the machine."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID="bench",
        AWS_SECRET_ACCESS_KEY="bench",  # noqa: S106  no secret: nothing is called
        AWS_DEFAULT_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
        POWERTOOLS_METRICS_NAMESPACE="Millrace",
    )
    with TemporaryDirectory() as folder:
        assemble(HERE.parent / "schemas", HERE.parent / "warehouse", Path(folder))
        os.environ["MILLRACE_BUNDLE"] = folder
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
