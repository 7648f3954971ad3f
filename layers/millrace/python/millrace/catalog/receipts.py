"""What a run tells the trace: which raw objects it has taken into which silver table, and which of their events are not rows."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

import orjson

from millrace import __version__
from millrace.catalog.run_outcome import RunOutcome
from millrace.contracts.tables import LakeTable
from millrace.core.objects import Objects
from millrace.core.prefixes import DEAD_LETTERS
from millrace.eventstore import silver
from millrace.eventstore.silver import DEAD_PER_ROW, SilverReceipt
from millrace.runs.documents import Part

# As lake/raw_to_silver.py names them: run, tenant, day and bucket, table.
FOLDER = f"{DEAD_LETTERS}transform_partitions/"


def silver_receipts(
    outcome: RunOutcome, tables: Mapping[str, LakeTable], lake: Objects
) -> list[dict[str, Any]]:
    """The receipts of every tenant's day that the run committed to silver, as items of Metadata.

    Raises:
        MillraceError: the lake did not answer.
    """
    objects = {(day.org, day.day): [part.key for part in day.objects] for day in outcome.plan.partitions}
    items = []
    for table, commit in outcome.commits.items():
        if table in outcome.warehouse_tables:
            continue
        parts = outcome.committed_parts(table)
        for org, day in sorted({(part.org, part.day or "") for part in parts}):
            receipt = SilverReceipt(
                org=org,
                day=day,
                table=table,
                run=outcome.plan.run,
                at=commit.at,
                snapshot=commit.snapshot,
                contract=tables[table].contract if table in tables else "",
                version=__version__,
                objects=objects.get((org, day), []),
                dead=_untyped(outcome, lake, table, org, day, parts),
            )
            items += silver.to_items(receipt)
    return items


def _untyped(
    outcome: RunOutcome, lake: Objects, table: str, org: str, day: str, parts: Iterable[Part]
) -> list[str]:
    """Ids of the events that could not be typed, from the run's dead letters; as many as a receipt holds.

    Nothing is read where no part counts any.
    """
    if not any(part.dead for part in parts if (part.org, part.day) == (org, day)):
        return []
    units = (unit for batch in outcome.plan.batches for unit in batch)
    buckets = [unit.bucket for unit in units if (unit.org, unit.day) == (org, day)]
    keys = (f"{FOLDER}{outcome.plan.run}/{org}/{day}-{bucket}-{table}.ndjson" for bucket in buckets)
    return list(islice((event_id for key in keys for event_id in _event_ids(lake, key)), DEAD_PER_ROW))


def _event_ids(lake: Objects, key: str) -> Iterator[str]:
    # Of a day in several buckets only some have dead rows.
    letters = lake.open(key, doing="read dead rows")
    for line in letters.lines() if letters is not None else ():
        # A line that cannot be read must not keep the run from being published; its event is looked for again.
        with suppress(orjson.JSONDecodeError, KeyError, TypeError):
            yield orjson.loads(line)["event_id"]
