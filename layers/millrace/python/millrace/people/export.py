"""What is kept of a person as a zip with JSON and CSV, made a page of events at a time in a file."""

import csv
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from millrace.core import csv_cells
from millrace.privacy.reading import PersonalReads, StoredBody

# Events that are held in memory at once.
PAGE = 100
DECISION = "fraud.decision.made"
COLUMNS = (
    "eventId",
    "eventType",
    "timestamp",
    "eventSource",
    "correlationId",
    "sessionId",
    "payload",
    "metadata",
)
README = """What is kept of you, as it is on the day of this export.

events.json    every event about you, one a line, with your values as they were sent
events.csv     the same as a table; payload and metadata are JSON
decisions.json decisions that were made about you, one a line
alerts.json    alerts that followed from your events, one a line
consents.json  to what you have agreed, and when
requests.json  what you have asked for before
"""


def pages(events: Iterable[StoredBody]) -> Iterator[list[StoredBody]]:
    """Events in pages."""
    left = iter(events)
    while page := list(islice(left, PAGE)):
        yield page


def write(
    path: Path,
    org: str,
    events: Iterable[StoredBody],
    reads: PersonalReads,
    others: Mapping[str, Iterable[Mapping[str, Any]]],
) -> dict[str, int]:
    """Writes the zip; returns how many events it has, and in how many of them a protected value is.

    Args:
        path: of the file.
        org: the tenant.
        events: of the person.
        reads: unseals them.
        others: name of a file → its lines.

    Raises:
        MillraceError: a store did not answer.
    """
    number, disclosed = 0, 0
    table, decided = path.with_suffix(".csv"), path.with_suffix(".decisions")
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        table.open("w", encoding="utf-8", newline="") as file,
        decided.open("wb") as judged,
    ):
        archive.writestr("README.txt", README)
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        with archive.open("events.json", "w") as lines:
            for page in pages(events):
                shown = reads.shown(org, page, clear=True)
                number, disclosed = number + len(page), disclosed + len(shown.disclosed)
                for body in shown.bodies:
                    lines.write(body + b"\n")
                    envelope = orjson.loads(body)
                    rows.writerow(_cells(envelope))
                    if envelope["eventType"] == DECISION:
                        judged.write(body + b"\n")
        file.flush()
        judged.flush()
        archive.write(table, "events.csv")
        archive.write(decided, "decisions.json")
        for name, found in others.items():
            with archive.open(name, "w") as lines:
                lines.writelines(orjson.dumps(one) + b"\n" for one in found)
    table.unlink()
    decided.unlink()
    return {"events": number, "disclosed": disclosed}


def _cells(envelope: Mapping[str, Any]) -> list[str]:
    data = envelope["data"]
    parts = {"payload": data["payload"], "metadata": data.get("metadata")}
    cells = {**envelope, **{name: orjson.dumps(part).decode() for name, part in parts.items() if part}}
    return [csv_cells.cell(str(cells.get(name) or "")) for name in COLUMNS]
