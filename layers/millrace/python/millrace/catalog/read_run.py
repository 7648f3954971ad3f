"""All documents of a run, read together."""

from millrace.catalog.outcome import Outcome
from millrace.core.errors import PermanentError
from millrace.lake.sources import tenants
from millrace.runs import portions
from millrace.runs.documents import Prepared
from millrace.runs.store import RunStore


def read_run(runs: RunStore, run: str, unpinned: str = "") -> Outcome:
    """What came of a run, as far as it came.

    Args:
        runs: the documents.
        run: the run.
        unpinned: why there are no sources of features, where there should be.

    Raises:
        PermanentError: there is no plan of such a run.
        RetryableError: the lake did not answer.
    """
    plan = runs.plan(run)
    models = [model for level in plan.levels for model in level]
    prepared: dict[str, Prepared] = {}
    for model in models:
        try:
            prepared[model] = runs.prepared(run, model)
        except PermanentError:
            # The run did not come to it: that is told with the rest.
            continue
    sources = runs.sources(run)
    online = {done.org: done for done in runs.materialized(run)} if sources is not None else {}
    return Outcome(
        plan=plan,
        silver=portions.silver(runs, plan),
        prepared=prepared,
        chunks={model: portions.chunks(runs, found) for model, found in prepared.items()},
        commits={commit.table: commit for commit in runs.commits(run)},
        materialized={org: online.get(org) for org in (tenants(sources) if sources is not None else ())},
        unpinned=unpinned,
    )
