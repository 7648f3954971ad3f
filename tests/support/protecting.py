"""`millrace protect` on the platform in process, and what it leaves in clear."""

import io
import json
from collections.abc import Iterable
from typing import Any

import pyarrow.parquet as pq

from cli.protecting.alerts import AlertRows
from cli.protecting.raw import RawObjects
from cli.protecting.rewriter import Rewriter
from cli.protecting.run import Protecting
from cli.protecting.table import EventRows
from cli.protecting.users import FeatureRows, PointerRows
from millrace.contracts import registry
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from millrace.people.erasure import GROUPS
from millrace.privacy import assemble
from tests.support import before, events
from tests.support.platform import ACME, LAKE, Platform

USER, NUMBER = "usr_marked#1", 4711_0815
TABLES = ("Events", "UserEvents", "FeatureStore", "SubjectKeys", "Analytics")


def protecting(running: Platform, *, org: str = "", is_dry: bool = False) -> Protecting:
    """A run as the command makes it, with nothing that an earlier one knew."""
    contracts, lake = registry.load(), Objects(running.s3, LAKE)
    tables = {name: Table(running.dynamodb, name) for name in (*TABLES, "Metadata")}
    subjects = assemble.subjects(tables["SubjectKeys"], tables["Metadata"], running.kms_key)
    rewriter, codec = Rewriter(contracts, subjects), Codec(contracts.dictionary)
    return Protecting(
        events=EventRows(tables["Events"], rewriter, codec, is_dry=is_dry),
        pointers=PointerRows(tables["UserEvents"], rewriter, is_dry=is_dry),
        features=FeatureRows(tables["FeatureStore"], rewriter, GROUPS, is_dry=is_dry),
        alerts=AlertRows(tables["Analytics"], rewriter, is_dry=is_dry),
        raw=RawObjects(lake, tables["Metadata"], rewriter, is_dry=is_dry),
        lake=lake,
        org=org,
        is_dry=is_dry,
    )


def contents(running: Platform) -> str:
    """All that the tables and raw say, unpacked."""
    codec = Codec(registry.load().dictionary)
    # Of Analytics alerts alone: tiles go with their time.
    said: list[Any] = [running.rows(name) for name in TABLES[:-1]]
    said += [row for row in running.rows("Analytics") if row["metricKey"]["S"].endswith("#alert")]
    said += [from_item(row, codec).envelope for row in running.rows("Events")]
    said += raw_rows(running.objects("raw/").values())
    return json.dumps(said, default=repr, ensure_ascii=False)


def raw_rows(bodies: Iterable[bytes]) -> list[dict[str, Any]]:
    """Rows of objects of raw."""
    return [row for body in bodies for row in pq.read_table(io.BytesIO(body)).to_pylist()]


def some() -> list[dict[str, Any]]:
    """Events of a user called by a text, of two called by numbers, of sessions, and of nobody."""
    return [
        events.shipped_order(user=USER, sessionId="ses_1"),
        events.order(user=USER, correlationId="flow", userId=USER),
        events.transaction(user=NUMBER),
        events.transaction(user=NUMBER, payload={"location": "Paris, France"}),
        events.health_check(sessionId="ses_2"),
        events.inference(),
        events.shipped_order(user="other"),
        events.transaction(user=NUMBER + 1),
    ]


def clear(running: Platform, sent: list[dict[str, Any]], org: str = ACME) -> None:
    """Accepted by the release before, with all that its consumers wrote."""
    with before.unprotected():
        assert running.post(sent, org=org)["status"] == 202
        running.settle()
    running.restart_all()


def in_clear(running: Platform) -> list[str]:
    """Which marks of users and of values stand in any store in clear."""
    said = contents(running)
    marks = ("usr_marked", str(NUMBER), "Ann Marked", "Marked Street", "Markedville")
    return [mark for mark in marks if mark in said]
