"""`python -m tests.support.fuzz 200000`: the long run, on two processes; ends with 1 when a promise was broken."""

import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from millrace.compiler.bundle import assemble_contracts
from tests.support.fuzz.run import Report, run

PROCESSES = 2
JOB = 10_000
ROOT = Path(__file__).parents[3]


def main(arguments: list[str]) -> int:
    """Sends as many requests as the first argument says, and tells what was seen."""
    count = int(arguments[0]) if arguments else 200_000
    console = Console()
    os.environ.update(AWS_DEFAULT_REGION="us-east-1", POWERTOOLS_METRICS_NAMESPACE="Millrace")
    with TemporaryDirectory() as folder, ProcessPoolExecutor(PROCESSES) as pool:
        assemble_contracts(ROOT / "schemas", Path(folder))
        os.environ["MILLRACE_BUNDLE"] = folder
        sizes = [min(JOB, count - start) for start in range(0, count, JOB)]
        reports: list[Report] = []
        started = time.monotonic()
        for report in pool.map(run, sizes, range(1, len(sizes) + 1)):
            reports.append(report)
            for failure in report.failures:
                console.print(failure, markup=False)
            console.print(
                f"{sum(r.requests for r in reports):,} requests in {time.monotonic() - started:,.0f} s, "
                f"{sum(len(r.failures) for r in reports)} chunks with a fault, "
                f"{sum(r.given_up for r in reports)} that the generator gave up"
            )
    console.print(f"statuses: {_sum(reports, 'statuses')}")
    console.print(f"events: {_sum(reports, 'outcomes')}")
    return int(any(report.failures for report in reports))


def _sum(reports: list[Report], name: str) -> str:
    total: Counter[object] = Counter()
    for report in reports:
        total.update(getattr(report, name))
    return ", ".join(
        f"{key} {number:,}" for key, number in sorted(total.items(), key=lambda item: str(item[0]))
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
