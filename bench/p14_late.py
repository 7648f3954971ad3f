"""P14: late rows in one of ten tenant-days cost that day and no more; a worker's memory does not grow with the day."""

from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figure import Figure, ratio
from bench.silver_worker import run, transform
from bench.transactions import write
from millrace.runs.documents import TenantDay, Unit

DAYS = [f"2026-11-{day:02}" for day in range(1, 11)]
ROWS = 20_000
# Rows of a bucket, and of the small day; the large one has four times as many.
BUCKET_ROWS = 250_000
MEMORY_MB = 1_024


def measure() -> list[Figure]:
    """Late day over all days, and peak memory of a large day over a small one."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        days = [write(root, day, ROWS) for day in DAYS]
        made = transform(root, MEMORY_MB)

        def all_of(planned: list[TenantDay]) -> None:
            for day in planned:
                done = made.unit("bench", Unit(day.org, day.day, 0, 1), day)
                if done.failures or sum(part.rows_in for part in done.parts) != ROWS:
                    raise AssertionError(done)

        late = ratio(lambda: all_of(days[4:5]), lambda: all_of(days))
    return [Figure("P14", "late rows in one of ten days / all ten", late, 0.15), _memory()]


def _memory() -> Figure:
    peaks = []
    for times in (1, 4):
        with TemporaryDirectory() as folder:
            root = Path(folder)
            day = write(root, DAYS[0], times * BUCKET_ROWS, objects=4 * times)
            peaks.append(run(root, [day], memory_mb=MEMORY_MB, max_rows=BUCKET_ROWS)["peak_mb"])
    return Figure("P14", "peak memory, a day of 4x the rows / the day", peaks[1] / peaks[0], 1.25)
