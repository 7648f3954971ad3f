"""Quarantine in the lake and in Metadata: one object a request, an index row an event."""

import base64
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import orjson

from millrace.core import audit, clock, sizes
from millrace.core.objects import Objects
from millrace.core.table import Item, Table, is_expired
from millrace.quarantine import bodies
from millrace.quarantine import entry as entries
from millrace.quarantine.bodies import Box
from millrace.quarantine.entry import QuarantineEntry
from millrace.quarantine.transitions import Transitions

# Failed replays that a refused event remembers, the last ones.
ATTEMPTS = 10
# Objects of requests that are held while their events are read, each up to 6 MB.
OBJECTS = 4
# A discard writes so many together, and begins nothing more after so long.
ROUND = 100
SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Filter:
    """Which refused events to find; `after` is the last id of the page before."""

    since: datetime
    until: datetime  # exclusive
    event_type: str | None = None
    code: str | None = None
    after: str | None = None
    status: str | None = None
    only: str | None = None  # one id

    def to_json(self) -> dict[str, str]:
        """The filter as the audit records it."""
        named = {"eventType": self.event_type, "code": self.code, "quarantineId": self.only}
        return {
            "from": clock.utc_micros(self.since),
            "to": clock.utc_micros(self.until),
            **{name: value for name, value in named.items() if value is not None},
        }


@dataclass(frozen=True, slots=True)
class Refusal:
    """An open refused event with its bytes."""

    quarantine_id: str
    raw: bytes
    principal: str | None = None
    form: str | None = None
    sent: bytes | None = None
    attempts: tuple[dict[str, Any], ...] = ()  # the failed replays

    @property
    def size(self) -> int:
        """Bytes that a replay reads."""
        return len(self.raw) + len(self.sent or b"")


@dataclass(frozen=True, slots=True)
class Discarded:
    """How many matched, how many of them this call closed, and the id behind which others are left."""

    matched: int
    discarded: int
    after: str | None


class QuarantineStore:
    """Keeps and finds refused events. A tenant reaches its own and no other's."""

    def __init__(self, metadata: Table, lake: Objects, box: Box) -> None:
        self._metadata, self._lake, self._box = metadata, lake, box
        self._transitions = Transitions(metadata)

    def keep(
        self, org: str, request_id: str, received_at: datetime, source: str, refused: list[QuarantineEntry]
    ) -> None:
        """Stores the refused events of one request: first the object, then the rows that find it.

        Raises:
            MillraceError: they are not stored; the caller must not answer that they are.
        """
        key = entries.object_key(org, received_at, request_id)
        document = entries.to_object(
            org,
            request_id,
            received_at,
            source,
            refused,
            partial(bodies.sealed, org=org, box=self._box),
            partial(self._box.mention, org),
        )
        self._lake.put(key, document, content_type="application/json", doing="keep refused events")
        self._metadata.write_all(entries.to_rows(orjson.loads(document), key))

    def find(self, org: str, query: Filter) -> Iterator[dict[str, Any]]:
        """Refused events, newest first.

        Raises:
            MillraceError: the table did not answer.
        """
        return map(_public, self._newest(org, query))

    def open(self, org: str, query: Filter) -> Iterator[Refusal]:
        """Open refused events with their bytes, newest first, read as the iterator advances.

        Raises:
            MillraceError: table or lake did not answer.
        """
        return self.kept(org, replace(query, status="open"))

    def kept(self, org: str, query: Filter) -> Iterator[Refusal]:
        """Refused events of any status with their bytes, likewise.

        Raises:
            MillraceError: table or lake did not answer.
        """
        read: dict[str, dict[str, dict[str, Any]]] = {}
        for row in self._newest(org, query):
            kept = self._kept(read, row)
            if kept and (texts := bodies.opened(kept, org, self._box)) is not None:
                yield _refusal(row, kept, *texts)

    def about(
        self, org: str, query: Filter, user: str, may_name: Callable[[bytes], bool]
    ) -> Iterator[tuple[str, bool]]:
        """The ids of refused events, newest first, each with whether it is about a user; read as the iterator advances.

        Only those are opened of which not everybody is known whom they may be about.

        Args:
            org: the tenant.
            query: which.
            user: as events call the person.
            may_name: whether such bytes may be about the user.

        Raises:
            MillraceError: table, lake or KMS did not answer.
        """
        mention = self._box.mention(org, user)
        read: dict[str, dict[str, dict[str, Any]]] = {}
        for row in self._newest(org, query):
            identifier = row["entityId"]["S"]
            is_about = mention in row.get("users", {"SS": ()})["SS"]
            if not is_about and row.get("named", {"S": entries.SOME})["S"] != entries.ALL:
                kept = self._kept(read, row)
                texts = None if kept is None else bodies.opened(kept, org, self._box)
                is_about = any(map(may_name, filter(None, texts or ())))
            yield identifier, is_about

    def _kept(self, read: dict[str, dict[str, dict[str, Any]]], row: Item) -> dict[str, Any] | None:
        """The entry of a row; `read` has the objects that were read last."""
        key = row["object"]["S"]
        if key not in read:
            # Those of one request follow each other, but for requests of the same millisecond.
            while len(read) >= OBJECTS:
                del read[next(iter(read))]
            read[key] = self._entries_of(key)
        return read[key].get(row["entityId"]["S"])

    def remove(self, org: str, identifiers: Sequence[str]) -> None:
        """Removes refused events for good, in every version of their objects: first the bytes, then the rows that find them.

        Raises:
            MillraceError: table or lake did not answer; the same call goes on.
        """
        for identifier in identifiers:
            day = clock.day_text(entries.moment_of(identifier))
            key = {"entityTypeKey": {"S": entries.day_key(org, day)}, "entityId": {"S": identifier}}
            row = self._metadata.get(key, consistent=True, doing="read refused event")
            if row is not None:
                self._take_out(row["object"]["S"], identifier)
                self._metadata.delete(key, doing="remove refused event")

    def _take_out(self, key: str, identifier: str) -> None:
        stored = self._lake.find(key, doing="read refused events")
        kept = {"entries": []} if stored is None else orjson.loads(stored)
        others = [one for one in kept["entries"] if one["quarantineId"] != identifier]
        if others:
            document = orjson.dumps({**kept, "entries": others})
            self._lake.put(key, document, content_type="application/json", doing="keep refused events")
            self._lake.purge(key, but_newest=True)
        else:
            self._lake.purge(key)

    def claim(self, org: str, refusals: Sequence[Refusal], by: str, patch: str) -> set[str]:
        """Keeps discards and replays with other patches away from open refusals for a while; the ids of those that it claimed.

        Raises:
            MillraceError: the table did not answer.
        """
        return self._transitions.claim(org, _ids(refusals), by, patch)

    def open_ones(self, org: str, refusals: Sequence[Refusal]) -> set[str]:
        """The ids of those that are still open.

        Raises:
            MillraceError: the table did not answer.
        """
        return self._transitions.open_ones(org, _ids(refusals)) if refusals else set()

    def release(self, org: str, failed: Sequence[tuple[Refusal, dict[str, Any]]], by: str) -> None:
        """Gives back what was claimed and is not closed, each with what its replay ended with.

        Raises:
            MillraceError: the table did not answer.
        """
        remembered = {
            refusal.quarantine_id: orjson.dumps([*refusal.attempts, attempt][-ATTEMPTS:]).decode()
            for refusal, attempt in failed
        }
        self._transitions.release(org, remembered, by)

    def mark(self, org: str, refusals: Sequence[Refusal], status: str, principal: str) -> set[str]:
        """Closes open refusals; the ids of those that this call has closed.

        Raises:
            MillraceError: the table did not answer.
        """
        return self._transitions.close(org, _ids(refusals), status, principal)

    def discard(
        self, org: str, query: Filter, limit: int, principal: str, before_each: Callable[[], None]
    ) -> Discarded:
        """Closes what matches, at most `limit` and for a few seconds.

        Args:
            org: the tenant.
            query: which; what is claimed by a replay matches and is not closed.
            limit: how many are looked at.
            principal: who does it.
            before_each: called before each round of writes.

        Raises:
            MillraceError: the table did not answer.
        """
        deadline = time.monotonic() + SECONDS
        rows = self._newest(org, replace(query, status="open"))
        matched, discarded, last = 0, 0, None
        while some := [row["entityId"]["S"] for row in islice(rows, min(ROUND, limit - matched))]:
            before_each()
            discarded += len(self._transitions.close(org, some, "discarded", principal))
            matched, last = matched + len(some), some[-1]
            if matched == limit or time.monotonic() > deadline:
                return Discarded(matched, discarded, last if next(rows, None) is not None else None)
        return Discarded(matched, discarded, None)

    def audit(
        self,
        org: str,
        action: str,
        principal: str,
        request_id: str,
        detail: Mapping[str, Any],
        at: datetime,
    ) -> None:
        """Records who did what to the quarantine, once for each state of a request.

        Raises:
            MillraceError: the table did not take it.
        """
        name = f"{request_id}#{detail['state']}"
        audit.write(self._metadata, org, f"quarantine.{action}", principal, detail, name, at=at)

    def _newest(self, org: str, query: Filter) -> Iterator[Item]:
        if query.only is not None:
            query = _on_its_day(query, query.only)
        for day in _days_back(query):
            for row in self._rows(org, day, query):
                if query.only is None or row["entityId"]["S"] == query.only:
                    yield row

    def _entries_of(self, key: str) -> dict[str, dict[str, Any]]:
        """The refused events of an object, by quarantine id; none where the object is gone before its rows."""
        stored = self._lake.find(key, doing="read refused events")
        if stored is None:
            return {}
        return {kept["quarantineId"]: kept for kept in orjson.loads(stored)["entries"]}

    def get(self, org: str, identifier: str) -> dict[str, Any] | None:
        """One refused event with `raw` as text (in base64 where it is not UTF-8) and its history, or None.

        Raises:
            MillraceError: table or lake did not answer.
        """
        try:
            day = clock.day_text(entries.moment_of(identifier))
        except (ValueError, OverflowError):
            return None
        key = {"entityTypeKey": {"S": entries.day_key(org, day)}, "entityId": {"S": identifier}}
        row = self._metadata.get(key, doing="read refused event")
        if row is None or is_expired(row):
            return None
        kept = self._entries_of(row["object"]["S"]).get(identifier)
        texts = None if kept is None else bodies.opened(kept, org, self._box)
        return None if texts is None else {**_public(row), **_raw(texts[0]), **_history(row)}

    def _rows(self, org: str, day: date, query: Filter) -> Iterator[Item]:
        low = entries.first_id(query.since)
        high = query.after or entries.first_id(query.until)
        if low >= high:
            return
        values = {
            ":day": {"S": entries.day_key(org, day.isoformat())},
            ":low": {"S": low},
            ":high": {"S": high},
        }
        conditions = []
        if query.event_type is not None:
            conditions.append("eventType = :type")
            values[":type"] = {"S": query.event_type}
        if query.code is not None:
            conditions.append("contains(codes, :code)")
            values[":code"] = {"S": query.code}
        if query.status is not None:
            conditions.append("#status = :status")
            values[":status"] = {"S": query.status}
        rows = self._metadata.query(
            "entityTypeKey = :day AND entityId BETWEEN :low AND :high",
            values,
            names={"#status": "status"} if query.status is not None else None,
            newest_first=True,
            filter_by=" AND ".join(conditions),
            doing="list refused events",
        )
        for row in rows:
            if row["entityId"]["S"] != query.after and not is_expired(row):
                yield row


def _on_its_day(query: Filter, identifier: str) -> Filter:
    """The same filter around the moment that an id carries; one that is not an id matches nothing."""
    margin = timedelta(milliseconds=2)
    try:
        moment = entries.moment_of(identifier)
        low, high = moment - margin, moment + margin
    except (ValueError, OverflowError):
        return replace(query, until=query.since)
    return replace(query, since=max(query.since, low), until=min(query.until, high))


def _days_back(query: Filter) -> Iterator[date]:
    # Nothing is refused in the future, and nothing is kept longer than it is kept: the walk has both ends.
    now = clock.now()
    newest = min(entries.moment_of(query.after) if query.after else query.until, now + timedelta(minutes=1))
    oldest = max(query.since, now - timedelta(days=entries.KEPT_DAYS + 1))
    day, last = clock.utc_day(newest), clock.utc_day(oldest)
    while day >= last:
        yield day
        day -= timedelta(days=1)


def _public(row: Item) -> dict[str, Any]:
    def text(name: str) -> str | None:
        return row[name]["S"] if name in row else None

    return {
        "quarantineId": row["entityId"]["S"],
        "eventId": text("eventId"),
        "eventType": text("eventType"),
        "version": text("version"),
        "errors": _errors(row),
        "receivedAt": row["receivedAt"]["S"],
        "source": row["source"]["S"],
        "status": row["status"]["S"],
    }


def _errors(row: Item) -> list[dict[str, str]]:
    errors: list[dict[str, str]] = orjson.loads(row["errors"]["S"])
    if "named" in row:
        return errors
    # Earlier versions quoted what was sent, whatever it was.
    return [{**error, "message": error["message"].partition(", got ")[0]} for error in errors]


def _refusal(row: Item, kept: dict[str, Any], raw: bytes, sent: bytes | None) -> Refusal:
    return Refusal(
        row["entityId"]["S"],
        raw,
        kept.get("principal"),
        kept.get("form"),
        sent,
        tuple(_attempts(row)),
    )


def _attempts(row: Item) -> list[dict[str, Any]]:
    attempts: list[dict[str, Any]] = orjson.loads(row["attempts"]["S"]) if "attempts" in row else []
    return attempts


def _history(row: Item) -> dict[str, Any]:
    """What has been done with a refused event, in the order of time."""
    closed = {name: row[name]["S"] if name in row else None for name in ("closedAt", "closedBy")}
    return {"attempts": _attempts(row), **closed}


def _ids(refusals: Sequence[Refusal]) -> list[str]:
    return [refusal.quarantine_id for refusal in refusals]


def _raw(raw: bytes) -> dict[str, str]:
    """As text; as base64 where it is not UTF-8, or where the answer would need more room for it than that."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if text is None or sizes.of(orjson.dumps(text)) > len(raw) * 4 // 3 + 1024:
        return {"raw": base64.b64encode(raw).decode(), "rawEncoding": "base64"}
    return {"raw": text, "rawEncoding": "utf-8"}
