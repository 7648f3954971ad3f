"""What became of a file, as callers read it."""

from collections.abc import Mapping
from typing import Any

from millrace.core import clock
from millrace.imports.form import Options
from millrace.imports.jobs import Import


def report(one: Import, reasons: list[dict[str, Any]]) -> Mapping[str, Any]:
    """What became of a file: counts, and why rows were refused, one by one up to a limit."""
    return {
        "importId": one.import_id,
        "eventType": one.event_type,
        "file": one.name.rpartition("/")[2],
        "bytes": one.size,
        "state": one.state,
        "dryRun": Options.of_json(one.options).dry_run if one.reason != "options" else False,
        "rows": one.rows,
        "accepted": one.accepted,
        "history": one.history,
        "duplicates": one.duplicates,
        "rejected": one.rejected,
        "codes": one.codes,
        "refused": reasons,
        "reason": one.reason or None,
        "message": one.message or None,
        "begunAt": one.begun_at,
        "endedAt": one.ended_at or None,
        "seconds": _seconds(one),
    }


def _seconds(one: Import) -> float | None:
    if not one.ended_at:
        return None
    return round((clock.parse(one.ended_at) - clock.parse(one.begun_at)).total_seconds(), 3)
