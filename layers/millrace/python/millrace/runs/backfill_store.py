"""Plans of backfills in the lake, beside the documents of the runs that they start."""

from millrace.runs.backfill import BackfillPlan, plan
from millrace.runs.names import named, parse
from millrace.runs.store import RunStore


def plan_backfill(store: RunStore, run: str, first: str, last: str) -> BackfillPlan:
    """The plan of a backfill, made once: a repeated step gets what it got before.

    Raises:
        PermanentError: the name is not a backfill's, or the interval is none or too long.
        RetryableError: the lake did not answer.
    """
    existing = store.backfill(run)
    if existing is not None:
        return existing

    def done(name: str) -> bool:
        summary = store.summary(name)
        return summary is not None and summary.status == "done"

    made = plan(run, first, last, _earlier(store, run), done)
    store.put_backfill(made)
    return made


def _earlier(store: RunStore, run: str) -> BackfillPlan | None:
    """The plan of the last attempt before this one; attempts that ended before they had a plan are passed over."""
    name = parse(run)
    for attempt in range((name.attempt if name else 1) - 1, 0, -1):
        try:
            earlier = store.backfill(str(named("backfill", name.interval, attempt))) if name else None
        except ValueError:
            # Of a version that wrote its plan otherwise. All days are done again, which changes nothing in those that were.
            return None
        if earlier is not None:
            return earlier
    return None
