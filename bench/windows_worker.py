"""Windows of a day by the stream's code, in a process of its own: `python -m bench.windows_worker <deliveries> <out folder>`.

Each minute's deliveries leave facts, each minute is folded when it is over, and at the day's end the windows are read as an owner reads
them. Tables answer at once.
"""

import csv
import pickle
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any

from bench.held import Held
from bench.windows_day import DAY, LATENESS, ORGS
from millrace.aggregates import answers, windows
from millrace.aggregates.count import EventCounter
from millrace.aggregates.definition import DAY_SECONDS, Aggregate
from millrace.aggregates.facts import Facts
from millrace.aggregates.folding import Folding
from millrace.aggregates.reads import TenantTiles
from millrace.aggregates.registry import Aggregates
from millrace.contracts import registry as contracts
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.table import Item, Table
from millrace.eventstore.codec import Codec

PAYMENT = "transaction.created"
# Deliveries of a batch; windows of an answer, more than an hour has.
BATCH, MOST = 500, 100_000
HOUR = 3600


def main(deliveries: str, out: str) -> None:
    """Counts, folds, reads, and writes the windows as CSV."""
    found = Aggregates({"payments": _aggregate()}, contracts.load())
    table, tokens = Table(Held(), "Analytics"), count()
    now = DAY
    facts = Facts(list(found), found.contracts.deployed)
    codec = Codec(found.contracts.dictionary)
    counter = EventCounter(table, codec, facts, lambda: str(next(tokens)), now=lambda: now)
    folding = Folding(table, found, lambda *_: None, now=lambda: now)
    for now, several in _minutes(Path(deliveries)):
        for at in range(0, len(several), BATCH):
            counter.count([Delivery(item, "table", "1", now, {}) for item in several[at : at + BATCH]])
        folding.run(60, lambda: 60.0)
    now += timedelta(minutes=5)
    folding.run(60, lambda: 60.0)
    for name, slide in (("10m", "10m"), ("15m", "5m")):
        with (Path(out) / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(_windows(table, found, windows.read(name, slide), now))


def _minutes(deliveries: Path) -> Iterator[tuple[datetime, list[Item]]]:
    with deliveries.open("rb") as file:
        while file.peek(1):
            yield pickle.load(file)  # noqa: S301  written by the bench itself


def _windows(table: Table, found: Aggregates, asked: windows.Windows, now: datetime) -> Iterator[list[Any]]:
    """The windows that begin in the day or reach into it, asked for by the hour."""
    aggregate, midnight = found.by_name["payments"], clock.epoch(DAY)
    first = midnight - asked.seconds + asked.slide
    hours = [first, *range(midnight + HOUR, midnight + DAY_SECONDS + 1, HOUR)]
    for org in ORGS:
        for start, end in pairwise(hours):
            tiles = TenantTiles(table, org, aggregate, found.types, now)
            question = answers.Question(asked, start, end, {})
            page = answers.page(aggregate, tiles, question, limit=MOST, after=None, now=now)
            if page.position is not None:
                raise AssertionError("an hour is more than a page")
            for item in page.items:
                measured = [item[one.name] for one in aggregate.measures]
                yield [org, item["start"], item["key"]["merchant"], *measured]


def _aggregate() -> Aggregate:
    def measure(name: str, kind: str, of: str = "", type_: str = "", **more: Any) -> dict[str, Any]:
        on = {PAYMENT: of} if of else {}
        return {
            "name": name,
            "kind": kind,
            "of": on,
            "type": type_,
            "where": [],
            "most": 0,
            "edges": [],
            **more,
        }

    return Aggregate.from_json(
        {
            "name": "payments",
            "version": "1.0.0",
            "description": "",
            "owner": "",
            "events": [PAYMENT],
            "of_log": False,
            "where": [],
            "keys": [{"name": "merchant", "of": {PAYMENT: "merchant"}, "type": "string"}],
            "measures": [
                measure("volume", "count"),
                measure("revenue", "sum", "amount", "decimal"),
                measure("smallest", "min", "amount", "decimal"),
                measure("largest", "max", "amount", "decimal"),
                measure("fraud_rate", "share", where=[{"field": "is_fraud", "equals": True}]),
                measure("customers", "distinct", "user_id", "long"),
            ],
            "most_keys": 1000,
            "ranked_by": "volume",
            "lateness_seconds": int(LATENESS.total_seconds()),
            "retention_days": 400,
            "window_seconds": 600,
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
