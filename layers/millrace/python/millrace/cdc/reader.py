"""Reads a source: its snapshot in chunks, its changes in order, each once, through the one intake."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

import orjson

from millrace.cdc.changes import Change, Changes, Committed, Position
from millrace.cdc.database import Database, Session, Slot, Table
from millrace.cdc.events import event, lsn_text, type_of
from millrace.cdc.states import NEW, SNAPSHOT, STOPPED, STREAMING, Chunk, Lease, State, States
from millrace.core import clock, exact_json
from millrace.core.errors import MillraceError, PermanentError, RetryableError
from millrace.eventstore.append import AppendResult
from millrace.intake.enrich import Origin
from millrace.intake.parse import Candidate, parse_one

KIND = "cdc"
BUSY = "busy"
BATCH = 500
# About so many changes of small transactions are decoded at once; a larger transaction comes whole, in pages.
PEEKED = 20_000
LEASE_SECONDS = 180
# What must be left for another batch to be begun.
NEEDED_SECONDS = 15.0


class Accepts(Protocol):
    """Intake, as it is asked here."""

    def accept(self, candidates: Sequence[Candidate], origin: Origin) -> list[Any]:
        """One result a candidate."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """What is read, for whom, under which names.

    Attributes:
        org: the tenant.
        name: of the source, and the principal of its events.
        slot: the replication slot.
        publication: which tables.
        chunk: rows of a chunk of the snapshot, at most `BATCH`.
    """

    org: str
    name: str
    slot: str
    publication: str
    chunk: int = BATCH


@dataclass(slots=True)
class Report:
    """Of a run: the source's status, a sentence where it stopped, outcomes of events, and how far behind the slot is."""

    status: str
    message: str = ""
    outcomes: Counter[str] = field(default_factory=Counter)
    slot: Slot | None = None
    lag_seconds: float = 0.0


class _Stopped(Exception):  # noqa: N818  an answer, not an error
    """What a person has to do before the source can be read on."""


class Reader:
    """Reads one source."""

    def __init__(
        self,
        source: Source,
        connect: Callable[[], Session],
        states: States,
        intake: Accepts,
        has_contract: Callable[[str], bool],
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """Makes no call.

        Args:
            source: which one.
            connect: opens a session.
            states: how far it is.
            intake: takes the events.
            has_contract: whether there is a contract of an event type.
            now: the clock.
        """
        self._source, self._connect, self._states = source, connect, states
        self._intake, self._has_contract, self._now = intake, has_contract, now

    def run(self, owner: str, seconds_left: Callable[[], float]) -> Report:
        """Reads until nothing waits or the time is over.

        Args:
            owner: of this run alone.
            seconds_left: of its time.

        Raises:
            RetryableError: the database or a store did not answer. Nothing is lost: the next run goes on from the last batch.
        """
        lease = self._states.acquire(self._source.org, self._source.name, owner, self._now(), LEASE_SECONDS)
        if lease is None:
            return Report(BUSY, "another reader has this source")
        try:
            return self._read(lease, seconds_left)
        finally:
            # An error of the work is what is told; a lease that could not be released ends by itself.
            with suppress(MillraceError):
                lease.release()

    def _read(self, lease: Lease, seconds_left: Callable[[], float]) -> Report:
        report = Report(lease.state.status)
        try:
            session = self._connect()
        except PermanentError as error:
            return self._stop(lease, report, f"the database cannot be read: {error}")
        try:
            database = Database(session)
            tables = self._prepare(lease, database)
            self._work(lease, database, tables, report, seconds_left)
            report.slot = database.slot(self._source.slot)
            lag = 0 if report.slot is None else report.slot.lag_bytes
            lease.save(
                self._now(),
                message="",
                batch_received_at=None,
                lag_bytes=lag,
                read_at=clock.utc_text(self._now()),
            )
            report.status = lease.state.status
        except _Stopped as stopped:
            return self._stop(lease, report, str(stopped))
        except PermanentError as error:
            return self._stop(lease, report, f"the database refuses to be read: {error}")
        finally:
            session.close()
        return report

    def _stop(self, lease: Lease, report: Report, message: str) -> Report:
        lease.save(self._now(), status=STOPPED, message=message, read_at=clock.utc_text(self._now()))
        report.status, report.message = STOPPED, message
        return report

    def _prepare(self, lease: Lease, database: Database) -> dict[tuple[str, str], Table]:
        """Checks everything that would lose changes or refuse them all, makes the slot, and returns the published tables."""
        source = self._source
        if not database.has_publication(source.publication):
            raise _Stopped(
                f"there is no publication {source.publication}: CREATE PUBLICATION {source.publication} FOR TABLE …"
            )
        tables = {table.name: table for table in database.tables(source.publication)}
        _check_tables(tables, self._has_contract, source)
        state = lease.state
        slot = database.slot(source.slot)
        if not state.system:
            if database.wal_level() != "logical":
                raise _Stopped(
                    "the server's wal_level is not logical: set it and restart the server (on RDS: rds.logical_replication = 1)"
                )
            if slot is not None:
                # Of a run that ended before it could say that it had made it: nothing was read with it.
                database.drop_slot(source.slot)
            start = database.create_slot(source.slot)
            state = lease.save(
                self._now(),
                status=SNAPSHOT,
                system=database.system(),
                start=start,
                confirmed=start,
                began_at=clock.utc_micros(self._now()),
                snapshot={_key(name): Chunk(watermark=start) for name in tables},
            )
        else:
            _check_slot(state, slot, database, source)
            # What is published since is read from its beginning; what no longer is, is forgotten.
            new = Chunk(watermark=state.confirmed)
            snapshot = {_key(name): state.snapshot.get(_key(name), new) for name in tables}
            state = replace(state, snapshot=snapshot)
        # What an ended run may have begun is judged again as of the same moment, so that it is the same request.
        lease.save(
            self._now(),
            snapshot=state.snapshot,
            status=self._status(state, tables),
            batch_received_at=state.batch_received_at or clock.utc_micros(self._now()),
        )
        return tables

    @staticmethod
    def _status(state: State, tables: dict[tuple[str, str], Table]) -> str:
        left = any(not state.snapshot[_key(name)].is_done for name in tables)
        return SNAPSHOT if left else STREAMING

    def _work(
        self,
        lease: Lease,
        database: Database,
        tables: dict[tuple[str, str], Table],
        report: Report,
        seconds_left: Callable[[], float],
    ) -> None:
        """Changes before rows of the snapshot, so that the log of the server does not grow while those are read."""
        while seconds_left() > NEEDED_SECONDS:
            if not self._changes(lease, database, report, seconds_left):
                return
            name = next((name for name in tables if not lease.state.snapshot[_key(name)].is_done), None)
            if name is None:
                return
            self._rows(lease, database, tables[name], report)
            lease.save(self._now(), status=self._status(lease.state, tables))

    def _changes(
        self, lease: Lease, database: Database, report: Report, seconds_left: Callable[[], float]
    ) -> bool:
        """Takes what waits; False where the time is over before everything was taken."""
        while True:
            up_to = database.flushed()
            ends: list[Committed] = []
            taken, is_over = 0, False
            with database.peek(self._source.slot, self._source.publication, up_to, PEEKED) as messages:
                for batch in _batches(Changes(lease.state.position).read(messages)):
                    is_over = seconds_left() <= NEEDED_SECONDS
                    if is_over:
                        break
                    taken += 1
                    self._take_changes(lease, batch, report)
                    ends += [one for one in batch if isinstance(one, Committed)]
            if ends:
                report.lag_seconds = max(0.0, (self._now() - ends[-1].committed_at).total_seconds())
                self._advance(lease, database, ends[-1].end_lsn)
            if is_over:
                return False
            if not taken:
                # Everything up to there concerns other tables: the server may forget it.
                self._advance(lease, database, up_to)
                report.lag_seconds = 0.0
                return True

    def _advance(self, lease: Lease, database: Database, lsn: int) -> None:
        # A server that crashed may have forgotten how far it was.
        lsn = max(lsn, lease.state.confirmed)
        # Kept first: a slot that is further than what is kept here was read by somebody else.
        lease.save(self._now(), confirmed=lsn)
        database.advance(self._source.slot, lsn)

    def _take_changes(self, lease: Lease, batch: list[Change | Committed], report: Report) -> None:
        changes = [one for one in batch if isinstance(one, Change)]
        after = lease.state.position
        if changes:
            self._accept(
                lease, changes, f"{lsn_text(after.lsn)}-{after.number}", lease.state.batch_received_at, report
            )
        last = batch[-1].position
        if last > after:
            lease.save(self._now(), position=last, batch_received_at=clock.utc_micros(self._now()))

    def _rows(self, lease: Lease, database: Database, table: Table, report: Report) -> None:
        """The next chunk of a table. Its watermark is kept before it is read: a second attempt makes the same events."""
        key = _key(table.name)
        chunk = lease.state.snapshot[key]
        if chunk.begun_at is None:
            moment = clock.utc_micros(self._now())
            chunk = replace(chunk, watermark=database.watermark(chunk.watermark), begun_at=moment)
            self._keep(lease, key, chunk)
        rows = database.chunk(table, chunk.after, self._source.chunk)
        changes = [
            Change(
                Position(chunk.watermark, -1),
                table.name,
                "snapshot",
                0,
                clock.parse(lease.state.began_at),
                after=values,
                special=special,
            )
            for _, values, special in rows
        ]
        if changes:
            place = f"{key}-{orjson.dumps(chunk.after).decode()}"
            self._accept(lease, changes, place, chunk.begun_at, report)
        after = rows[-1][0] if rows else chunk.after
        is_done = len(rows) < self._source.chunk
        self._keep(lease, key, replace(chunk, after=after, is_done=is_done, begun_at=None))

    def _keep(self, lease: Lease, key: str, chunk: Chunk) -> None:
        lease.save(self._now(), snapshot={**lease.state.snapshot, key: chunk})

    def _accept(
        self, lease: Lease, changes: list[Change], place: str, begun_at: str | None, report: Report
    ) -> None:
        state, source = lease.state, self._source
        made = [event(change, f"{source.name}/{state.system}/{state.start}") for change in changes]
        # The number of an event is that of its id, so that a request that is made again names each as before.
        candidates = [
            replace(parse_one(0, exact_json.dumps(one)), index=int(one["eventId"][:7], 16)) for one in made
        ]
        moment = clock.parse(begun_at) if begun_at else self._now()
        origin = Origin(source.org, source.name, f"{source.name}-{state.start:x}-{place}", moment, KIND)
        results = self._intake.accept(candidates, origin)
        report.outcomes.update(str(result.outcome) for result in results)
        if any(result.outcome is AppendResult.UNAVAILABLE for result in results):
            raise RetryableError("a store did not answer")


def _batches(found: Iterator[Change | Committed]) -> Iterator[list[Change | Committed]]:
    while batch := list(islice(found, BATCH)):
        yield batch


def _key(name: tuple[str, str]) -> str:
    return orjson.dumps(name).decode()


def _check_tables(
    tables: dict[tuple[str, str], Table], has_contract: Callable[[str], bool], source: Source
) -> None:
    types: dict[str, tuple[str, str]] = {}
    for name, table in tables.items():
        shown = ".".join(name)
        if not table.key:
            raise _Stopped(
                f"{shown} has no primary key: give it one, or ALTER PUBLICATION {source.publication} DROP TABLE {shown}"
            )
        if table.identity == "n":
            raise _Stopped(
                f"{shown} does not say which rows change: ALTER TABLE {shown} REPLICA IDENTITY DEFAULT"
            )
        kind = type_of(name)
        if kind in types:
            raise _Stopped(
                f"{'.'.join(types[kind])} and {shown} would both be {kind}: publish one of them, or rename it"
            )
        types[kind] = name
        if not has_contract(kind):
            raise _Stopped(
                f"{shown} has no contract {kind}: write it with `millrace contracts table {source.name} {shown}`, and deploy"
            )


def _check_slot(state: State, slot: Slot | None, database: Database, source: Source) -> None:
    anew = f"the source {source.name} has to begin anew, with another snapshot"
    since = lsn_text(state.confirmed)
    if database.system() != state.system:
        raise _Stopped(f"this is another server than before: {anew}")
    if slot is None:
        raise _Stopped(f"the slot {source.slot} was dropped, and changes since {since} with it: {anew}")
    if slot.wal_status == "lost":
        raise _Stopped(
            f"the server has removed what the slot {source.slot} needs since {since} (max_slot_wal_keep_size): {anew}"
        )
    if slot.confirmed > state.confirmed:
        raise _Stopped(
            f"somebody else has read the slot {source.slot} from {since} to {lsn_text(slot.confirmed)}: {anew}"
        )


__all__ = ["BATCH", "BUSY", "NEW", "Reader", "Report", "Source"]
