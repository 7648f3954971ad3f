"""Objects of raw, rewritten under the same key: the same rows in the same order, and no older version is left.

The tenant's day is marked as pending before and after, so the next run makes silver again from what is there now.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pyarrow.parquet as pq

from cli.protecting.counts import Counts
from cli.protecting.rewriter import Rewriter
from millrace.archive import raw, restore
from millrace.core import clock
from millrace.core.objects import Objects
from millrace.core.table import Item, Table
from millrace.eventstore import pending, receipts

ROWS = 500
_CHANGED = ("user_id", "payload", "metadata", "fingerprint", "sealed_subject", "sealed_values")
_KEY = ("entityTypeKey", "entityId")
Day = tuple[str, str]


@dataclass(slots=True)
class RawObjects:
    """Rewrites objects of raw.

    Attributes:
        lake: where they are.
        metadata: their manifest, and what is pending.
        rewriter: says what is stored in the place of each event.
        is_dry: whether nothing is written.
    """

    lake: Objects
    metadata: Table
    rewriter: Rewriter
    is_dry: bool = False
    _marked: set[Day] = field(default_factory=set, init=False, repr=False)
    _manifest: tuple[Day, dict[str, list[Item]]] = field(default=(("", ""), {}), init=False, repr=False)

    def rewrite(self, key: str) -> Counts:
        """Rewrites an object where something in it is in clear, and removes its older versions.

        Raises:
            MillraceError: a store or KMS did not answer.
        """
        counts, body = Counts(), self.lake.find(key, doing="read raw")
        if body is None:
            return counts
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(body)).to_pylist()
        counts.rows = len(rows)
        days = {(row["org_id"], clock.day_text(row["event_time"])) for row in rows}
        for start in range(0, len(rows), ROWS):
            some = rows[start : start + ROWS]
            rows[start : start + ROWS] = self._rewritten(some, counts)
        if self.is_dry:
            counts.objects += bool(counts.rewritten)
            return counts
        if counts.rewritten:
            self._mark(days, counts)
            made = raw.rows_to_parquet(rows)
            self.lake.put(
                key, made, content_type="application/vnd.apache.parquet", doing="rewrite a raw object"
            )
            self._resize(days, key, len(made))
            counts.objects += 1
        if self.lake.purge(key, but_newest=True, doing="remove older versions of raw") or counts.rewritten:
            # An older version is left where a run ended here; its mark may have been taken by a run of silver.
            self._mark(days, counts)
        return counts

    def _rewritten(self, rows: list[dict[str, Any]], counts: Counts) -> list[dict[str, Any]]:
        events = [restore.to_event(row) for row in rows]
        if self.is_dry:
            counts.rewritten += sum(self.rewriter.clear(event) is not None for event in events)
            return rows
        # All rows of an object are of one tenant.
        new = self.rewriter.rewritten(events[0].org, events)
        counts.rewritten += sum(one is not None for one in new)
        return [
            row if one is None else {**row, **_part(raw.row(one))} for row, one in zip(rows, new, strict=True)
        ]

    def _mark(self, days: set[Day], counts: Counts) -> None:
        now = clock.now()
        # As `lake/plan.py` has it: of an older day silver would be replaced by less than it has.
        first = clock.day_text(now - timedelta(days=receipts.KEPT_DAYS - 1))
        whole = [one for one in days if one[1] >= first]
        self.metadata.write_all(pending.to_items(whole, pending.new_token(), now))
        counts.days += len({*whole} - self._marked)
        counts.old_days += len(days - {*whole} - self._marked)
        self._marked |= days

    def _resize(self, days: set[Day], key: str, size: int) -> None:
        """Has the manifest say how large the object is now."""
        for day in days:
            if self._manifest[0] != day:
                self._manifest = day, dict(self._objects(day))
            for row in self._manifest[1].get(key, ()):
                self.metadata.update(
                    {name: row[name] for name in _KEY},
                    "SET #bytes = :size",
                    condition="attribute_exists(entityId)",
                    names={"#bytes": "bytes"},
                    values={":size": {"N": str(size)}},
                    doing="write manifest",
                )

    def _objects(self, day: Day) -> Iterator[tuple[str, list[Item]]]:
        found: dict[str, list[Item]] = {}
        for row in receipts.read(self.metadata, day[0], receipts.MANIFEST, day[1]):
            if "object" in row:
                name = row["object"]["S"].split("/", 3)[3]
                found.setdefault(name, []).append({part: row[part] for part in _KEY})
        yield from found.items()


def _part(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _CHANGED}
