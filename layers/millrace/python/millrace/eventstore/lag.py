"""What is archived and in no silver table yet: the rows of the manifest that no receipt of silver names, of the pending days."""

from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from millrace.core import keys
from millrace.core.errors import MillraceError, in_a_line
from millrace.core.table import Table
from millrace.eventstore import pending, receipts, silver
from millrace.eventstore.backlog import Backlog

READERS = 16


def not_in_silver(
    metadata: Table, org: str = "", *, before: str = "", without: Collection[str] = ()
) -> Backlog:
    """Archived events that no run has taken in, as the manifest counts them. Raises nothing: what cannot be learnt is `unknown`.

    Args:
        metadata: the table.
        org: only of this tenant; empty: of all.
        before: counts only UTC days before this one; empty: all.
        without: categories that do not count.
    """
    try:
        waiting = [day for day in pending.read(metadata, org) if not before or day.day < before]
        with ThreadPoolExecutor(READERS) as pool:
            of_days = list(pool.map(partial(_of_day, metadata, without), waiting))
    except MillraceError as error:
        return Backlog(unknown=in_a_line(error))
    events: Counter[str] = Counter()
    for day, (rows, _, _) in zip(waiting, of_days, strict=True):
        events[day.org] += rows
    return Backlog(
        events={org: count for org, count in sorted(events.items()) if count},
        oldest=min((at for _, _, at in of_days if at), default=None),
        types=dict(sum((types for _, types, _ in of_days), Counter())),
    )


def _of_day(metadata: Table, without: Collection[str], day: pending.Pending) -> tuple[int, Counter[str], str]:
    """How many events of a pending day are not in silver, of which types, and when the first of their batches arrived; empty: none."""
    taken: set[bytes] = set()
    for item in receipts.read(metadata, day.org, silver.KIND, day.day):
        hashes = bytes(item["objects"]["B"])
        taken |= {hashes[at : at + silver.BYTES] for at in range(0, len(hashes), silver.BYTES)}
    rows, types, oldest = 0, Counter[str](), ""
    for item in receipts.objects(metadata, day.org, day.day):
        name = item["object"]["S"]
        counts = not any(f"/category={category}/" in name for category in without)
        if counts and silver.fold(name) not in taken:
            rows += int(item["rows"]["N"])
            # Manifest rows of older versions have no types.
            types.update({name: int(n["N"]) for name, n in item.get("types", {"M": {}})["M"].items()})
            oldest = oldest or item["entityId"]["S"].partition(keys.SEPARATOR)[0]
    return rows, types, oldest
