"""The recorded calls of the handlers (`calls.json`, written by bench/cost_calls.py), per event at any batch size."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from cli.costing.prices import Prices, Usage

FILE = Path(__file__).with_name("calls.json")
# Calls that an invocation makes concurrently; the others are made one after another.
TOGETHER = frozenset({"PutItem", "UpdateItem"})


@dataclass(frozen=True)
class PerEvent:
    """One event's share of an invocation, each figure over the events of the batch.

    Attributes:
        usage: recorded quantities; `log.*` are bytes, units and records written to the log.
        invocations: of the function.
        cpu_ms: on one full processor.
        waits: how often it waits for a store, one wait after another.
        log_bytes: of the function's own lines.
        stored: `<table>.byteDays`, `<table>.indexByteDays`.
        raw_bytes: of objects in the lake; `objects` how many.
    """

    usage: Usage
    invocations: float
    cpu_ms: float
    waits: float
    log_bytes: float
    stored: Mapping[str, float]
    raw_bytes: float
    objects: float


@cache
def _traces(file: Path) -> dict[tuple[str, str], dict[int, dict[str, Any]]]:
    traces: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for trace in json.loads(file.read_text()):
        traces.setdefault((trace["profile"], trace["function"]), {})[trace["events"]] = trace
    return traces


def per_event(profile: str, function: str, batch: float, prices: Prices, file: Path = FILE) -> PerEvent:
    """Interpolates between two recorded batch sizes; a larger batch counts as several.

    Raises:
        KeyError: no such trace was recorded.
    """
    by_size = _traces(file)[(profile, function)]
    sizes = sorted(by_size)
    size = min(max(batch, sizes[0]), sizes[-1])
    low = max(one for one in sizes if one <= size)
    high = min(one for one in sizes if one >= size)
    share = 0.0 if high == low else (size - low) / (high - low)

    def mixed(of: Mapping[int, float]) -> float:
        return (of[low] * (1 - share) + of[high] * share) / size

    def numbers(pick: Any) -> dict[str, float]:
        both = {one: pick(by_size[one]) for one in (low, high)}
        names = {name for one in both.values() for name in one}
        return {name: mixed({one: held.get(name, 0.0) for one, held in both.items()}) for name in names}

    def number(pick: Any) -> float:
        return mixed({one: pick(by_size[one]) for one in (low, high)})

    flight = prices.assumptions["in_flight"]
    return PerEvent(
        usage=Usage(numbers(lambda trace: trace["usage"])),
        invocations=1 / size,
        cpu_ms=number(lambda trace: trace["cpuMs"]),
        waits=number(lambda trace: waits(trace["calls"], flight)),
        log_bytes=number(lambda trace: trace["logBytes"]),
        stored=numbers(
            lambda trace: {
                f"{table}.{name}": value
                for table, held in trace["stored"].items()
                for name, value in held.items()
                if name != "rows"
            }
        ),
        raw_bytes=number(lambda trace: sum(held["bytes"] for held in trace["objects"].values())),
        objects=number(lambda trace: sum(held["objects"] for held in trace["objects"].values())),
    )


def waits(calls: Mapping[str, int], in_flight: float) -> float:
    """How often an invocation waits for a store, one wait after another."""
    return float(sum(ceil(count / in_flight) if name in TOGETHER else count for name, count in calls.items()))
