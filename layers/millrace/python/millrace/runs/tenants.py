"""A portion of a run's tenants whose features go online, one tenant after the other.

A repeated call goes on where the call before it stopped: tenants that are done stay done, and those that no call has begun
come before those that failed. So a tenant that ends its worker, out of memory or out of time, keeps no other one waiting.
"""

from collections.abc import Callable, Sequence

from millrace.core.errors import RetryableError, in_a_line
from millrace.runs.documents import Materialized
from millrace.runs.portions import ENDED_ITS_WORKER
from millrace.runs.store import RunStore

# Tenant → what came of its views.
Materialize = Callable[[str], Materialized]


def materialize_tenants(
    store: RunStore,
    run: str,
    orgs: Sequence[str],
    materialize: Materialize,
    seconds_left: Callable[[], float],
) -> list[Materialized]:
    """Does every tenant that is not done, and keeps the result of each.

    Args:
        store: of the run's documents.
        run: the run.
        orgs: the tenants of the portion.
        materialize: does one tenant.
        seconds_left: how much longer this call may take; without any left, the next tenant is not begun.

    Returns:
        The results of the tenants that were done by this call.

    Raises:
        RetryableError: tenants failed or are left; a repeated call does these.
    """
    before = {org: store.materialized_of(run, org) for org in orgs}
    todo = [org for org in orgs if before[org] is None] + [org for org in orgs if _failures(before[org])]
    results: list[Materialized] = []
    failures: list[str] = []
    for number, org in enumerate(todo):
        if number and seconds_left() <= 0:
            failures.insert(0, f"{len(todo) - number} of {len(orgs)} tenants are left")
            break
        if len(orgs) > 1:
            store.put_materialized(_failed(run, org, ENDED_ITS_WORKER))
        try:
            done = materialize(org)
        except Exception as error:  # noqa: BLE001  one tenant must not stop the others
            done = _failed(run, org, in_a_line(error, 500))
        store.put_materialized(done)
        failures += [f"{entity} of {org}: {error}" for entity, error in _failures(done)]
        results.append(done)
    if failures:
        raise RetryableError("; ".join(failures)[:2000])
    return results


def _failed(run: str, org: str, error: str) -> Materialized:
    return Materialized(run, org, ({"entity": None, "status": "failed", "error": error},))


def _failures(done: Materialized | None) -> list[tuple[str, str]]:
    entities = () if done is None else done.entities
    return [(one["entity"] or "features", str(one["error"])) for one in entities if one["status"] == "failed"]
