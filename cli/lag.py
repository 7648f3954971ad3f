"""How far data is behind on its way from acceptance to silver, by tenant, in events and in time; in sentences for people."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cli.output import counted
from cli.target import Target

if TYPE_CHECKING:
    from millrace.eventstore.backlog import Backlog


@dataclass(frozen=True, slots=True)
class Places:
    """Where the log and the tables are."""

    event_stream_arn: str
    events_table: str
    metadata_table: str


@dataclass(frozen=True, slots=True)
class Lag:
    """What is accepted and not archived, and what is archived and not in silver."""

    archive: "Backlog"
    silver: "Backlog"

    def of(self, org: str) -> "Lag":
        """That of one tenant."""
        from millrace.eventstore.backlog import Backlog

        def only(one: "Backlog") -> Backlog:
            count = one.events.get(org, 0)
            return Backlog(
                {org: count} if count else {}, one.oldest if count else None, one.more, one.unknown
            )

        return Lag(only(self.archive), only(self.silver))

    def to_json(self, now: datetime) -> dict[str, Any]:
        """`{"acceptedToArchived", "archivedToSilver"}`, each `{"events", "byOrg", "seconds", "unknown"}`."""
        return {
            "acceptedToArchived": _document(self.archive, now),
            "archivedToSilver": _document(self.silver, now),
        }

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
    places = Places(
        stream["StreamDescriptionSummary"]["StreamARN"],
        target.output("EventsTable"),
        target.output("MetadataTable"),
    )
    archive = ArchiveBacklog(kinesis, dynamodb, places).read(now)
    return Lag(archive, not_in_silver(Table(dynamodb, places.metadata_table), before=before, without=without))


def _sentences(was: str, lacks: str, behind: "Backlog", now: datetime) -> list[str]:
    said = []
    if behind.total:
        tenants = ", ".join(f"{org} {count:,}" for org, count in behind.events.items())
        least = "at least " if behind.more else ""
        events = counted(behind.total, f"{was} event")
        age = f", the oldest for {duration(_age(behind, now))}" if behind.oldest else ""
        said.append(f"{least}{events} {lacks} ({tenants}){age}")
    if behind.unknown:
        said.append(f"unknown how many {was} events are {lacks}: {behind.unknown}")
    return said


def _document(behind: "Backlog", now: datetime) -> dict[str, Any]:
    return {
        "events": behind.total,
        "byOrg": dict(behind.events),
        "seconds": round(_age(behind, now).total_seconds()),
        "unknown": behind.unknown or None,
    }


def _age(behind: "Backlog", now: datetime) -> timedelta:
    from millrace.core import clock

    return max(timedelta(0), now - clock.parse(behind.oldest)) if behind.oldest else timedelta(0)


def duration(age: timedelta) -> str:
    """A span of time in its largest whole unit, such as `3 minutes`."""
    seconds = int(age.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return counted(seconds // size, unit)
    return counted(seconds, "second")
