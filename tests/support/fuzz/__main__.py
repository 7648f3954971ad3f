"""`python -m tests.support.fuzz 200000`: the long run, on two processes; ends with 1 when a promise was broken."""

import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from millrace.contracts.compile import compile_bundle
from tests.support.fuzz.run import Report, run

PROCESSES = 2
ROOT = Path(__file__).parents[3]


def main(arguments: list[str]) -> int:
    """Sends as many requests as the first argument says, and tells what was seen."""
    count = int(arguments[0]) if arguments else 200_000
    console = Console()
    os.environ.update(AWS_DEFAULT_REGION="us-east-1", POWERTOOLS_METRICS_NAMESPACE="Millrace")
    with TemporaryDirectory() as folder, ProcessPoolExecutor(PROCESSES) as pool:
        compile_bundle(ROOT / "schemas", Path(folder))
        os.environ["MILLRACE_BUNDLE"] = folder
        reports = list(pool.map(run, [count // PROCESSES] * PROCESSES, range(1, PROCESSES + 1)))
    failures = [failure for report in reports for failure in report.failures]
    console.print(
        f"{sum(report.requests for report in reports):,} requests in {max(r.seconds for r in reports):,.0f} s, "
        f"{len(failures)} chunks with a fault, {sum(r.given_up for r in reports)} that the generator gave up"
    )
    console.print(f"statuses: {_sum(reports, 'statuses')}")
    console.print(f"events: {_sum(reports, 'outcomes')}")
    for failure in failures:
        console.print(failure, markup=False)
    return int(bool(failures))


def _sum(reports: list[Report], name: str) -> str:
    total: Counter[object] = Counter()
    for report in reports:
        total.update(getattr(report, name))
    return ", ".join(
        f"{key} {number:,}" for key, number in sorted(total.items(), key=lambda item: str(item[0]))
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
