"""How far data is behind on its way from acceptance to the last table, by tenant, in events and in time; in sentences for people."""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cli.output import counted
from cli.target import Target

if TYPE_CHECKING:
    from millrace.eventstore.backlog import Backlog

# Whose tables are looked at, and how many at once.
TENANTS, READERS = 500, 16
# Event types that a sentence names.
TYPES = 5


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the log and the tables are."""

    event_stream_arn: str
    events_table: str
    metadata_table: str


@dataclass(frozen=True, slots=True)
class Lag:
    """What is accepted and not archived, what is archived and not in silver, and which tables are older than what they read.

    `tables`: tenant → table → when its inputs changed, UTC text.
    """

    archive: "Backlog"
    silver: "Backlog"
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, org: str) -> "Lag":
        """That of one tenant."""
        from millrace.eventstore.backlog import Backlog

        def only(one: "Backlog") -> Backlog:
            count = one.events.get(org, 0)
            return Backlog(
                {org: count} if count else {}, one.oldest if count else None, one.more, one.unknown
            )

        tables = {org: self.tables[org]} if org in self.tables else {}
        return Lag(only(self.archive), only(self.silver), tables)

    def to_json(self, now: datetime) -> dict[str, Any]:
        """`{"acceptedToArchived", "archivedToSilver", "silverToTables"}`.

        The first two are `{"events", "byOrg", "byType", "seconds", "unknown"}`, the last is `{"byOrg": {org: [table]}, "seconds"}`.
        """
        return {
            "acceptedToArchived": _document(self.archive, now),
            "archivedToSilver": _document(self.silver, now),
            "silverToTables": {
                "byOrg": {org: list(tables) for org, tables in self.tables.items()},
                "seconds": round(_since(self._oldest_input, now).total_seconds()),
            },
        }

    @property
    def _oldest_input(self) -> str | None:
        return min((at for tables in self.tables.values() for at in tables.values()), default=None)

    def late(self, now: datetime, *, archive: timedelta, silver: timedelta) -> set[str]:
        """The stages that are behind by more than that, or of which nobody knows."""
        stages = (("archive", self.archive, archive), ("silver", self.silver, silver))
        return {name for name, one, most in stages if one.unknown or _age(one, now) > most}

    def sentences(self, now: datetime) -> list[str]:
        """What is behind, a sentence each; none where nothing is."""
        stages = (
            ("accepted", "not yet archived", self.archive),
            ("archived", "not yet in silver", self.silver),
        )
        return [sentence for stage in stages for sentence in _sentences(*stage, now)]

    def of_tables(self, now: datetime) -> list[str]:
        """Which tables are older than what they are made of: one sentence, or none. Daily tables mostly are."""
        if not self.tables:
            return []
        count = len({table for tables in self.tables.values() for table in tables})
        tenants = ", ".join(f"{org} {len(tables)}" for org, tables in self.tables.items())
        are = "is older than what it is" if count == 1 else "are older than what they are"
        age = duration(_since(self._oldest_input, now))
        return [f"{counted(count, 'table')} {are} made of ({tenants}), for {age} at most"]


def of_training(target: Target, now: datetime) -> Lag:
    """What a training would miss.

    It reads whole UTC days before today, and no decisions, which come some time after their transactions. What was accepted
    within the last minute is on its way.
    """
    return read(target, now - timedelta(minutes=1), before=now.date().isoformat(), without=("ml-events",))


def read(target: Target, now: datetime, *, before: str = "", without: Collection[str] = ()) -> Lag:
    """The lag of a platform at a moment; of what is not in silver, only days `before` one, `without` some categories."""
    from millrace.core.table import Table
    from millrace.eventstore.backlog import ArchiveBacklog
    from millrace.eventstore.lag import not_in_silver

    kinesis, dynamodb = target.client("kinesis"), target.client("dynamodb")
    stream = kinesis.describe_stream_summary(StreamName=target.output("EventStream"))
    sources = Sources(
        stream["StreamDescriptionSummary"]["StreamARN"],
        target.output("EventsTable"),
        target.output("MetadataTable"),
    )
    archive = ArchiveBacklog(kinesis, dynamodb, sources).read(now)
    return Lag(
        archive, not_in_silver(Table(dynamodb, sources.metadata_table), before=before, without=without)
    )


def with_tables(target: Target, behind: Lag) -> Lag:
    """The same with the tables of the first 500 tenants, each a query of its own.

    Raises:
        MillraceError: the table did not answer.
    """
    from millrace.catalog.lag import newer_inputs
    from millrace.catalog.store import CatalogStore
    from millrace.core.table import Table

    catalog = CatalogStore(Table(target.client("dynamodb"), target.output("MetadataTable")))
    inputs = {name: tuple(lineage.inputs) for name, lineage in catalog.lineage().items()}

    def of_tenant(org: str) -> dict[str, str]:
        changed = {name: entry.at for name, entry in catalog.entries(org).items()}
        newer = {name: newer_inputs(name, read, changed) for name, read in sorted(inputs.items())}
        return {name: min(at.values()) for name, at in newer.items() if at}

    tenants = sorted(catalog.tenants())[:TENANTS]
    with ThreadPoolExecutor(READERS) as pool:
        older = dict(zip(tenants, pool.map(of_tenant, tenants), strict=True))
    return replace(behind, tables={org: tables for org, tables in older.items() if tables})


def _sentences(was: str, lacks: str, behind: "Backlog", now: datetime) -> list[str]:
    said = []
    if behind.total:
        tenants = ", ".join(f"{org} {count:,}" for org, count in behind.events.items())
        least = "at least " if behind.more else ""
        events = counted(behind.total, f"{was} event")
        age = f", the oldest for {duration(_age(behind, now))}" if behind.oldest else ""
        said.append(f"{least}{events} {lacks} ({tenants}){age}{_types(behind.types)}")
    if behind.unknown:
        said.append(f"unknown how many {was} events are {lacks}: {behind.unknown}")
    return said


def _types(types: Mapping[str, int]) -> str:
    """Which types they are of, the most frequent first: `: order.created 5 and 2 more types`."""
    if not types:
        return ""
    ordered = sorted(types.items(), key=lambda one: (-one[1], one[0]))
    more = f" and {counted(len(types) - TYPES, 'more type')}" if len(types) > TYPES else ""
    return ": " + ", ".join(f"{name} {count:,}" for name, count in ordered[:TYPES]) + more


def _document(behind: "Backlog", now: datetime) -> dict[str, Any]:
    return {
        "events": behind.total,
        "byOrg": dict(behind.events),
        "byType": dict(behind.types),
        "seconds": round(_age(behind, now).total_seconds()),
        "unknown": behind.unknown or None,
    }


def _age(behind: "Backlog", now: datetime) -> timedelta:
    return _since(behind.oldest, now)


def _since(moment: str | None, now: datetime) -> timedelta:
    from millrace.core import clock

    return max(timedelta(0), now - clock.parse(moment)) if moment else timedelta(0)


def duration(age: timedelta) -> str:
    """A span of time in its largest whole unit, such as `3 minutes`."""
    seconds = int(age.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return counted(seconds // size, unit)
    return counted(seconds, "second")
