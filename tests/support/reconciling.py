"""Reconciliation over the platform in process: moto's stores, the real consumers, and a silver that a run makes of raw."""

import io
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
from botocore.exceptions import ClientError

from millrace.access.tenants import orgs
from millrace.contracts import registry
from millrace.core import clock, keys
from millrace.core.identity import identity
from millrace.core.table import Table
from millrace.eventstore import pending, receipts
from millrace.reconcile import passes, request
from millrace.reconcile.report import PassReport
from tests.support import events
from tests.support.platform import ACME, GLOBEX, LAKE, Platform

STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/events"


class Silver:
    """Silver as a run leaves it: a pending tenant-day is rebuilt from the objects that its manifest names."""

    def __init__(self, running: Platform) -> None:
        self._running = running
        self.days: dict[tuple[str, str], dict[tuple[str, bytes], int]] = {}

    def run(self) -> None:
        """Takes in all that waits. A day with an object that is not there stays pending."""
        dynamodb = self._running.dynamodb
        for row in pending.read(Table(dynamodb, "Metadata")):
            events: dict[tuple[str, bytes], tuple[Any, int]] = {}
            rows = receipts.objects(Table(dynamodb, "Metadata"), row.org, row.day)
            try:
                for key in {one["object"]["S"].split("/", 3)[3] for one in rows}:
                    self._take(key, events)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchKey":
                    raise
                continue
            self.days[row.org, row.day] = {one: hour for one, (_, hour) in events.items()}
            pending.clear(Table(dynamodb, "Metadata"), row.org, row.day, row.token)

    def read(
        self, org: str, day: str, *, fresh: bool = False
    ) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
        """As `SilverTables`."""
        by_type = defaultdict(list)
        for (event_type, identifier), hour in self.days.get((org, day), {}).items():
            by_type[event_type].append((hour, identifier))
        yield from by_type.items()

    def _take(self, key: str, events: dict[tuple[str, bytes], tuple[Any, int]]) -> None:
        body = self._running.s3.get_object(Bucket=LAKE, Key=key)["Body"].read()
        for row in pq.read_table(io.BytesIO(body)).to_pylist():
            one = (row["event_type"], identity(row["event_id"]))
            held = (row["received_at"], row["event_time"].hour)
            events[one] = min(events.get(one, held), held)


class World:
    """A platform with a silver, and passes over it."""

    def __init__(self, running: Platform) -> None:
        self.running, self.silver = running, Silver(running)
        self._began = clock.now()
        # As if what was sent just now had come two hours ago.
        self.now = self._began + timedelta(hours=2)
        # Passes go back to the day that was this many days before the beginning, whatever the hour of the day.
        self.days = 1
        self.warned: list[str] = []
        self._delivered = 0
        self.check = self.made()

    def made(self, *, type_shards: int = 1, **clients: Any) -> Any:
        """A check; `clients` replace the platform's."""
        running = self.running
        given = {"dynamodb": running.dynamodb, "s3": running.s3, "kinesis": running.kinesis, **clients}
        settings = passes.ReconcileSettings(
            environment="local",
            events_table="Events",
            user_events_table="UserEvents",
            metadata_table="Metadata",
            analytics_table="Analytics",
            lake_bucket=LAKE,
            event_stream_arn=STREAM,
            type_shards=type_shards,
        )
        return passes.day_check(
            given["dynamodb"],
            given["s3"],
            given["kinesis"],
            registry.load(),
            self.silver,
            settings,
            self.warned.append,
        )

    def windows(self, at: datetime) -> list[request.Window]:
        """The last days as far as they are closed, newest first."""
        first = (self._began - timedelta(days=self.days)).date()
        count = (at.date() - first).days + 1
        return request.of_days([(first + timedelta(days=n)).isoformat() for n in reversed(range(count))], at)

    def look(self, check: Any = None, *, full: bool = True) -> PassReport:
        """A pass over both tenants, as `millrace reconcile` asks for it; `full=False` as the schedule does."""
        at = self.now
        wanted = passes.units(orgs(Table(self.running.dynamodb, "Metadata")), self.windows(at))
        return passes.run(
            check or self.check, wanted, at, lambda: 100.0, 1.0, full=full, warn=self.warned.append
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

    def expire(self, days: float) -> None:
        """Days go by, and DynamoDB deletes the rows whose time is over."""
        self.later(24 * days)
        for table, names in (
            ("Events", ("eventId",)),
            ("UserEvents", ("userKey", "sortKey")),
            ("Metadata", ("entityTypeKey", "entityId")),
        ):
            for row in self.running.rows(table):
                if "expiresAt" in row and int(row["expiresAt"]["N"]) <= clock.epoch(self.now):
                    key = {name: row[name] for name in names}
                    self.running.dynamodb.delete_item(TableName=table, Key=key)

    def result(self, org: str, day: str) -> dict[str, dict[str, Any]]:
        """The rows that reconciliation keeps of a tenant's day."""
        name = f"{org}#reconcile#{day}"
        return {
            row["entityId"]["S"]: row
            for row in self.running.rows("Metadata")
            if row["entityTypeKey"]["S"] == name
        }


def ago(hours: float) -> str:
    return events.moment(timedelta(hours=hours))


def order(hours: float = 3, **changes: Any) -> dict[str, Any]:
    return events.order(timestamp=ago(hours), **changes)


def filled(world: World, count: int = 30) -> list[dict[str, Any]]:
    """Both tenants' events over three days, some of them only in the log, delivered with duplicates; all in every store."""
    rng = random.Random(7)
    world.days = 3
    some = events.mixed(count, rng)
    single = [events.inference(timestamp=ago(rng.uniform(2, 60))) for _ in range(count // 6)]
    for org in (ACME, GLOBEX):
        for start in range(0, len(some), 400):
            assert world.running.post(some[start : start + 400], org=org)["status"] == 202
        # Without a row nothing keeps these from coming twice.
        assert world.running.post([*single, *single], org=org)["status"] == 202
    world.settle()
    return [*some, *single]


def words(report: PassReport) -> dict[str, int]:
    return {word: count for word, count in report.to_json()["cells"].items() if count}


def only(report: PassReport) -> dict[str, Any]:
    """The one hour that is not equal."""
    (hour,) = report.differences
    return hour


def row_of(world: World, table: str, event: dict[str, Any], org: str = ACME) -> dict[str, Any]:
    wanted = org, event["eventId"]
    (row,) = (
        row
        for row in world.running.rows(table)
        if ((row.get("eventId") or row["userKey"])["S"].partition("#")[0], keys.id_of(row["sortKey"]["S"]))
        == wanted
    )
    return row


def lose_pointer(world: World, event: dict[str, Any]) -> None:
    row = row_of(world, "UserEvents", event)
    key = {name: row[name] for name in ("userKey", "sortKey")}
    world.running.dynamodb.delete_item(TableName="UserEvents", Key=key)


def manifest_rows(world: World, event: dict[str, Any]) -> list[dict[str, Any]]:
    day = event["timestamp"][:10]
    name = receipts.partition(ACME, receipts.MANIFEST, day)
    wanted = bytes.fromhex(event["eventId"].replace("-", ""))
    rows = (row for row in world.running.rows("Metadata") if row["entityTypeKey"]["S"] == name)
    return [row for row in rows if wanted in bytes(row["ids"]["B"])]


def lose_manifest(world: World, event: dict[str, Any]) -> None:
    for row in manifest_rows(world, event):
        key = {name: row[name] for name in ("entityTypeKey", "entityId")}
        world.running.dynamodb.delete_item(TableName="Metadata", Key=key)


def lose_object(world: World, event: dict[str, Any]) -> None:
    for row in manifest_rows(world, event):
        world.running.s3.delete_object(Bucket=LAKE, Key=row["object"]["S"].split("/", 3)[3])


def break_object(world: World, event: dict[str, Any]) -> None:
    for row in manifest_rows(world, event):
        key = row["object"]["S"].split("/", 3)[3]
        world.running.s3.put_object(Bucket=LAKE, Key=key, Body=b"no Parquet at all")


def lose_in_silver(world: World, event: dict[str, Any]) -> None:
    identifier = bytes.fromhex(event["eventId"].replace("-", ""))
    del world.silver.days[ACME, event["timestamp"][:10]][event["eventType"], identifier]


def folders(keys: Iterable[str]) -> list[str]:
    """The top folders of keys."""
    return [key.partition("/")[0] for key in keys]


class Reading:
    """The platform's S3, with the keys that are read."""

    def __init__(self, world: World, read: list[str]) -> None:
        self._s3, self._read = world.running.s3, read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803
        self._read.append(Key)
        return self._s3.get_object(Bucket=Bucket, Key=Key)
