"""How far a tenant's tables are behind what they are made of.."""

from collections.abc import Collection, Mapping
from typing import Any

from millrace.core import clock
from millrace.eventstore.backlog import Backlog


def newer_inputs(table: str, inputs: Collection[str], changed: Mapping[str, str]) -> dict[str, str]:
    """Inputs of a table that changed after it: name → when, UTC text.

    Args:
        table: full name.
        inputs: full names of what it is made of.
        changed: table → when a run changed the tenant's rows last, UTC text.
    """
    own = changed.get(table, "")
    return {name: changed[name] for name in sorted(inputs) if changed.get(name, "") > own}


def document(waiting: Backlog, newer: Mapping[str, str]) -> dict[str, Any]:
    """`{"events", "inputs", "seconds"}`.

    Args:
        waiting: the tenant's events that are archived and in no silver table yet.
        newer: by `newer_inputs`.
    """
    since = min(filter(None, [waiting.oldest, *newer.values()]), default=None)
    age = 0.0 if since is None else (clock.now() - clock.parse(since)).total_seconds()
    return {
        "events": None if waiting.unknown else waiting.total,
        "inputs": list(newer),
        "seconds": max(0, round(age)),
    }
