"""The platform whose lake is read: filled over its API and by its pipeline, and questions about each of its tables."""

import random
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import pyarrow as pa

from cli import lake as queries
from cli.target import Target
from millrace.compiler import samples
from millrace.contracts import registry
from millrace.contracts.columns import Column, Scalar
from millrace.iceberg import glue_tables, layout
from millrace.iceberg import tables as iceberg
from millrace.iceberg.commit import Committer
from tests.e2e.conftest import command
from tests.interop.readers import facts
from tests.support import events, lake_files, lake_queries
from tests.support.client import Client, eventually
from tests.support.contracts import FILES, compiled
from tests.support.emulator import Lake

ORGS = ("org_acme", "org_globex")
EVENTS = 300
EVOLVED = "silver.order_created_v1"
# An event or two of every contract that clients may send.
GOLDEN = [event for file in FILES if not compiled(file).derived for event in samples.golden(file)]
# A column that a later minor adds, and one that it no longer requires.
NOTE, LOOSENED = Column("note", None, Scalar("string"), False, "A note."), "currency"
# What silver keeps at its widest.
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
LARGEST = Decimal("99999999999999.9999")
_KINDS = {
    "VARCHAR": "text",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMPTZ": "moment",
}


class Platform:
    """A deployed platform on the emulator."""

    def __init__(self, client: Client, environ: dict[str, str]) -> None:
        self._client, self._environ = client, environ
        self._target = Target("local", client.outputs["ApiUrl"], dict(client.outputs))
        self._random = random.Random(7)
        self._sent: Counter[str] = Counter()
        self.catalog = iceberg.catalog("local", client.outputs["LakeBucket"])

    @property
    def endpoint(self) -> str:
        """Where the AWS APIs answer."""
        return self._client.endpoint

    def run(self) -> None:
        """Sends two tenants' events, and runs the pipeline."""
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        edges = [midnight - timedelta(days=1), midnight - timedelta(milliseconds=1)]
        times = [f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z" for at in edges]
        for org in ORGS:
            batch = [
                *events.mixed(EVENTS, self._random),
                *({**event, "eventId": events.new_id(), "timestamp": events.moment()} for event in GOLDEN),
                # A ligature, a character of two code units, and one that combines with the one before it.
                *(events.order(timestamp=at, user="usr_\ufb01\U0001f642e\u0301") for at in times),
                *(events.transaction(timestamp=at, payload={"amount": 12345.6789}) for at in times),
            ]
            answer = self._client.post(batch, org=org).body
            assert answer["accepted"] == len(batch), answer
            self._sent.update(event["eventType"] for event in batch)
        wanted = {**self._sent, "fraud.decision.made": self._sent["transaction.created"]}
        archived = eventually(self._archived, lambda kinds: wanted.items() <= kinds.items(), seconds=120)
        assert wanted.items() <= archived.items()
        done = command("etl", "--json", environ=self._environ, seconds=500)
        assert done.returncode == 0, done.stdout + done.stderr

    def _archived(self) -> dict[str, int]:
        _, rows = queries.rows(
            self._target, "SELECT event_type, count(DISTINCT (org_id, event_id)) FROM raw.events GROUP BY 1"
        )
        return dict(rows)

    def evolve(self) -> None:
        """Commits a tenant's day with another column, without a value of one that was required, and the widest values."""
        opened = iceberg.open_table(self.catalog, EVOLVED)
        assert opened is not None
        org, day = max((file.org, str(file.day)) for file in opened.files())
        file = next(file for file in opened.files() if (file.org, file.day) == (org, day))
        data = opened.table.scan(row_filter=f"org_id = '{org}'").to_arrow()
        rows = [row for row in data.to_pylist() if f"{row['event_time']:%Y-%m-%d}" == day]
        assert len(rows) == file.rows > 1
        for number, row in enumerate(rows):
            row |= {"note": "a" if number % 2 else None, "total_amount": LARGEST if number % 2 else -LARGEST}
            row["received_at"] = LAST if number % 2 else FIRST
        rows[0][LOOSENED] = None
        fields = [field.with_nullable(True) for field in data.schema]
        changed = pa.Table.from_pylist(rows, pa.schema([*fields, pa.field("note", pa.string())]))
        contract = registry.load().tables()[EVOLVED]
        columns = (replace(c, required=c.required and c.name != LOOSENED) for c in contract.columns)
        lake = self._lake()
        bases: dict[str, str | None] = {EVOLVED: opened.metadata_location}
        lake_files.keep_plan(lake, "evolved", [(org, day)], bases)
        part = lake_files.part(lake, "evolved", org, day, len(rows), name=EVOLVED, data=changed)
        lake_files.keep_batch(lake, "evolved", [part])
        tables = {EVOLVED: replace(contract, columns=(*columns, NOTE))}
        done = Committer(lake_files.store(lake), self.catalog, tables).commit("evolved", EVOLVED)
        assert (done.status, done.left_out) == ("committed", ())

    def _lake(self) -> Lake:
        clients = [boto3.client(name, endpoint_url=self.endpoint) for name in ("s3", "glue", "dynamodb")]
        return Lake(self.endpoint, self.catalog.bucket, "local", *clients)

    def questions(self, *names: str) -> list[dict[str, Any]]:
        """A question about each table that has rows, or about those that are named."""
        listed = names or sorted(glue_tables.locations(self.catalog.glue.glue, "local"))
        opened = (iceberg.open_table(self.catalog, name) for name in listed)
        return [_question(table) for table in opened if table is not None and table.files()]

    def right(self, question: facts.Question) -> facts.Facts:
        """The facts of a table as queries read it, by its data files and not by an engine for Iceberg."""
        relation = question["table"]
        if question["snapshot"] is not None:
            relation += f" AS OF {question['snapshot']}"
        with TemporaryDirectory() as folder:
            asked = lake_queries.queries(self.endpoint, self.catalog.bucket, Path(folder), unmasked=True)
            _, rows = lake_queries.rows(asked, facts.select(question, relation, facts.DUCKDB))
        return facts.of_select(question, rows)


def _question(opened: iceberg.OpenTable) -> dict[str, Any]:
    layer, name = layout.split(opened.name)
    return {
        "table": opened.name,
        "database": layout.database("local", layer),
        "name": name,
        "metadata": opened.metadata_location,
        "snapshot": None,
        "current": opened.snapshot_id,
        "columns": [_column(name, kind) for name, kind in opened.columns],
    }


def _column(name: str, kind: str) -> dict[str, str | None]:
    if kind.endswith("[]"):
        decimal = re.search(r'"(\w+)" DECIMAL', kind)
        return {"name": name, "kind": "list", "field": decimal[1] if decimal else None}
    return {"name": name, "kind": _KINDS.get(kind, "number"), "field": None}
