"""Reconciliation over the platform in process: moto's stores, the real consumers, and a silver that a run makes of raw."""

import io
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow.parquet as pq

from millrace.access.credentials import orgs
from millrace.contracts import registry
from millrace.core import clock, keys
from millrace.eventstore import pending, receipts
from millrace.reconcile import assemble, passes, window
from millrace.reconcile.compare import to_bytes
from millrace.reconcile.outcome import Report
from millrace.reconcile.results import Results
from tests.support.platform import LAKE, Platform

STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/events"


class Silver:
    """Silver as a run leaves it: a pending tenant-day is made again from the objects that its manifest names."""

    def __init__(self, running: Platform) -> None:
        self._running = running
        self.days: dict[tuple[str, str], dict[tuple[str, bytes], int]] = {}

    def run(self) -> None:
        """Takes in all that waits. A day with an object that is not there stays pending."""
        dynamodb = self._running.dynamodb
        for row in pending.read(dynamodb, "Metadata"):
            found: dict[tuple[str, bytes], tuple[Any, int]] = {}
            rows = receipts.read(dynamodb, "Metadata", row.org, receipts.MANIFEST, row.day)
            try:
                for key in {one["object"]["S"].split("/", 3)[3] for one in rows}:
                    self._take(key, found)
            except self._running.s3.exceptions.NoSuchKey:
                continue
            self.days[row.org, row.day] = {one: hour for one, (_, hour) in found.items()}
            pending.clear(dynamodb, "Metadata", row.org, row.day, row.token)

    def read(
        self, org: str, day: str, *, fresh: bool = False
    ) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
        """As `SilverTables`."""
        by_type = defaultdict(list)
        for (event_type, identifier), hour in self.days.get((org, day), {}).items():
            by_type[event_type].append((hour, identifier))
        yield from by_type.items()

    def _take(self, key: str, found: dict[tuple[str, bytes], tuple[Any, int]]) -> None:
        body = self._running.s3.get_object(Bucket=LAKE, Key=key)["Body"].read()
        for row in pq.read_table(io.BytesIO(body)).to_pylist():
            one = (row["event_type"], to_bytes(row["event_id"]))
            held = (row["received_at"], row["event_time"].hour)
            found[one] = min(found.get(one, held), held)


class World:
    """A platform with a silver, and passes over it."""

    def __init__(self, running: Platform) -> None:
        self.running, self.silver = running, Silver(running)
        # As if what was sent just now had come two hours ago.
        self.now = clock.now() + timedelta(hours=2)
        self.days = 2
        self.warned: list[str] = []
        self._delivered = 0
        self.check = self.made()

    def made(self, **clients: Any) -> Any:
        """A check; `clients` replace the platform's."""
        running = self.running
        given = {"dynamodb": running.dynamodb, "s3": running.s3, "kinesis": running.kinesis, **clients}
        settings = assemble.ReconcileSettings(
            environment="local",
            events_table="Events",
            user_events_table="UserEvents",
            metadata_table="Metadata",
            lake_bucket=LAKE,
            event_stream_arn=STREAM,
        )
        return assemble.check(
            given["dynamodb"],
            given["s3"],
            given["kinesis"],
            registry.load(),
            self.silver,
            settings,
            self.warned.append,
        )

    def windows(self, at: datetime) -> list[window.Window]:
        """The last days as far as they are closed."""
        return window.of_days([(at - timedelta(days=n)).date().isoformat() for n in range(self.days)], at)

    def look(self, check: Any = None, *, again: bool = True) -> Report:
        """A pass over both tenants, as `millrace reconcile` asks for it; `again=False` as the schedule does."""
        at = self.now
        wanted = passes.units(orgs(self.running.dynamodb, "Metadata"), self.windows(at))
        return passes.run(
            check or self.check, wanted, at, lambda: 100.0, 1.0, again=again, warn=self.warned.append
        )

    def carry(self) -> int:
        """Delivers what is new in the log of AWS to the consumers; how many records that were."""
        records = self.running.log_records()
        for record in records[self._delivered :]:
            self.running.log.put("direct", record)
        new, self._delivered = len(records) - self._delivered, len(records)
        self.running.log.settle()
        self.running.driver.run_until_idle(max_steps=100_000)
        return new

    def settle(self) -> None:
        """Every consumer catches up, and silver takes in what waits."""
        self.running.settle()
        self.carry()
        self.silver.run()

    def later(self, hours: float = 1) -> None:
        """Time goes by."""
        self.now += timedelta(hours=hours)

    def without_capture(self, body: list[dict[str, Any]], org: str) -> None:
        """Sends events while the table's destination is not ACTIVE: they are stored, and nothing learns of them."""
        assert self.running.post(body, org=org)["status"] == 202
        for event in body:
            self.running._captured.add(keys.event(org, event["eventId"]))

    def result(self, org: str, day: str) -> dict[str, dict[str, Any]]:
        """The rows that reconciliation keeps of a tenant's day."""
        name = f"{org}#reconcile#{day}"
        return {
            row["entityId"]["S"]: row
            for row in self.running.rows("Metadata")
            if row["entityTypeKey"]["S"] == name
        }

    @property
    def results(self) -> Results:
        return Results(self.running.dynamodb, "Metadata")
