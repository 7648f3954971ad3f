"""Runs over what several tenants have in raw, by the real functions, and what every tenant has in every table then."""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from millrace.archive import raw
from millrace.contracts.contract import Contract
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import pending, receipts
from millrace.eventstore.row import StoredEvent
from millrace.iceberg import tables as iceberg
from millrace.runs.documents import Summary
from millrace.runs.store import RunStore
from millrace.warehouse.project import Project
from tests.support.emulator import Lake
from tests.support.functions import function
from tests.support.raw_files import event

AT = datetime(2026, 11, 21, 6, tzinfo=UTC)
Rows = dict[str, list[str]]


class ManyTenants:
    """Tenants' days in raw, on empty stores."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def put(self, org: str, day: str, events: Sequence[StoredEvent], place: str = "p") -> str:
        """Leaves an object, its manifest row and the pending row, as the archive does; the object's key."""
        key = f"{raw.partition(org, 'business-events', day)}/{place}.parquet"
        self.lake.s3.put_object(Bucket=self.lake.bucket, Key=key, Body=raw.to_parquet(events))
        receipt = receipts.Receipt(
            org=org,
            kind=receipts.MANIFEST,
            day=day,
            place=place,
            at=AT,
            ids=tuple(one.event_id for one in events),
            version="1",
            expires_at=0,
            object=f"s3://{self.lake.bucket}/{key}",
            size=1,
        )
        Table(self.lake.dynamodb, "Metadata").write_all(receipts.to_items(receipt))
        Table(self.lake.dynamodb, "Metadata").write_all(
            pending.to_items([(org, day)], pending.new_token(), AT)
        )
        return key

    def usual(self, org: str, day: str, contracts: Sequence[Contract], count: int = 4) -> list[StoredEvent]:
        """Some events of a tenant's day, the same whenever they are asked for."""
        rng = random.Random(f"{org} {day}")
        made = [event(contract, org, day, rng) for contract in contracts for _ in range(count)]
        self.put(org, day, made)
        return made

    def call(self, stem: str, payload: dict[str, Any]) -> Any:
        """A function's answer."""
        more = {"MEMORY_MB": "1024", "EVENTS_TABLE": "Events"}
        with function(stem, {**self.lake.environ, **more}) as handler:
            return json.loads(json.dumps(handler(payload, None)))

    def run(self, run: str, built: Sequence[str] = ()) -> Summary:
        """A run as the state machine does it, a task that fails tried three times; of the built tables only these."""
        with patch.object(Project, "levels", lambda *_: tuple((name,) for name in built)):
            planned = self.call("plan_run", {"runId": run, "refresh": ["hourly"], "silver": True})
        for batch in planned["batches"]:
            self.tried("transform_partitions", {"runId": run, "batch": batch})
        for table in self.call("commit_table", {"runId": run, "list": True})["tables"]:
            self.tried("commit_table", {"runId": run, "table": table})
        for table in built:
            prepared = self.call("prepare_table", {"runId": run, "table": table})
            for chunk in prepared["chunks"] if prepared["status"] == "ready" else ():
                self.tried("build_table", {"runId": run, "table": table, "chunk": chunk})
            if prepared["status"] == "ready":
                self.tried("commit_table", {"runId": run, "table": table})
        self.call("publish_run", {"runId": run})
        summary = RunStore(Objects(self.lake.s3, self.lake.bucket)).summary(run)
        assert summary is not None
        return summary

    def tried(self, stem: str, payload: dict[str, Any]) -> Any:
        """The answer of the first of three attempts that comes to an end; None where none does."""
        for _ in range(3):
            try:
                return self.call(stem, payload)
            except Exception:  # noqa: BLE001  as Step Functions does
                continue
        return None

    def tables(self, *without: str) -> dict[str, Rows]:
        """Table → tenant → its rows as text, but those of some tenants."""
        catalog = iceberg.catalog(self.lake.environment, self.lake.bucket)
        by_table: dict[str, Rows] = {}
        for name in self._names():
            opened = iceberg.open_table(catalog, name)
            assert opened is not None
            rows: Rows = {}
            for row in opened.table.scan().to_arrow().to_pylist():
                if row["org_id"] not in without:
                    rows.setdefault(row["org_id"], []).append(str(sorted(row.items())))
            if rows:
                by_table[name] = {org: sorted(texts) for org, texts in rows.items()}
        return by_table

    def _names(self) -> Iterator[str]:
        for layer in ("silver", "gold", "marts", "ml_features"):
            tables = self.lake.glue.get_tables(DatabaseName=f"millrace_local_{layer}")["TableList"]
            yield from (f"{layer}.{table['Name']}" for table in tables)
