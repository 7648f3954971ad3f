"""Requests of people as rows of Metadata, `org#subject-request` / `<id>`: what was asked, until when, what became of it.

A row names the person by number. While a request is under way it has the name that events know the person by, sealed
under a key of the tenant; the last step takes it away. The law gives a month (GDPR, article 12, paragraph 3).
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson

from millrace.core import clock, keys
from millrace.core.table import Item, Table

Kind = Literal["erase", "export", "rectify", "restrict"]
KIND = "subject-request"
OPEN, DONE, FAILED = "open", "done", "failed"
STATES = (OPEN, DONE, FAILED)
DUE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SubjectRequest:
    """A request.

    Attributes:
        request_id: its place in time, and eight digits by chance.
        kind: what is asked for.
        state: `open`, `done` or `failed`.
        subject: the person's number, as text.
        place: the key of the person's item.
        by: who asked, on the person's behalf.
        reason: in the words of whoever asked.
        received_at: UTC text.
        due_at: UTC text.
        done_at: UTC text; None as long as it is open.
        found: what each step has found and done, by step.
        who: the sealed name, while it is needed.
    """

    request_id: str
    kind: Kind
    state: str
    subject: str
    place: str
    by: str
    reason: str
    received_at: str
    due_at: str
    done_at: str | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    who: bytes = field(default=b"", repr=False)

    def to_json(self, now: datetime) -> dict[str, Any]:
        """As the API shows it."""
        overdue = self.state != DONE and clock.parse(self.due_at) < now
        return {
            "requestId": self.request_id,
            "kind": self.kind,
            "state": self.state,
            "subject": self.subject,
            "by": self.by,
            "reason": self.reason,
            "receivedAt": self.received_at,
            "dueAt": self.due_at,
            "doneAt": self.done_at,
            "overdue": overdue,
        }


class Requests:
    """Requests of all tenants; a tenant reaches its own and no other's."""

    def __init__(self, metadata: Table) -> None:
        """Makes no call."""
        self._metadata = metadata

    def open(self, org: str, request: SubjectRequest) -> None:
        """Keeps a new request; one that is there already stays as it is.

        Raises:
            MillraceError: the table did not take it.
        """
        self._metadata.insert(_item(org, request), "entityId", doing="keep request")

    def get(self, org: str, request_id: str) -> SubjectRequest | None:
        """A request.

        Raises:
            MillraceError: the table did not answer.
        """
        row = self._metadata.get(_key(org, request_id), consistent=True, doing="read request")
        return None if row is None else _read(row)

    def listed(self, org: str, after: str | None = None) -> Iterator[SubjectRequest]:
        """All of a tenant, the newest first; behind the id of `after`.

        Raises:
            MillraceError: the table did not answer.
        """
        values = {":key": {"S": keys.metadata(org, KIND)}}
        condition = "entityTypeKey = :key"
        if after is not None:
            condition, values[":after"] = f"{condition} AND entityId < :after", {"S": after}
        rows = self._metadata.query(condition, values, newest_first=True, doing="list requests")
        return map(_read, rows)

    def record(self, org: str, request_id: str, step: str, found: Mapping[str, Any]) -> None:
        """Keeps what a step of an open request has found, in the place of what an earlier try of it found.

        Raises:
            MillraceError: the table did not take it.
        """
        self._metadata.update(
            _key(org, request_id),
            "SET #step = :found",
            condition="#state = :open",
            names={"#step": f"found_{step}", "#state": "state"},
            values={":found": {"S": orjson.dumps(found).decode()}, ":open": {"S": OPEN}},
            doing="keep what a step found",
        )

    def end(self, org: str, request_id: str, state: str, at: datetime) -> None:
        """Ends a request, and forgets the name of its person; one that is done stays so.

        Raises:
            MillraceError: the table did not take it.
        """
        self._metadata.update(
            _key(org, request_id),
            "SET #state = :state, doneAt = :at REMOVE who",
            condition="attribute_exists(entityId) AND #state <> :done",
            names={"#state": "state"},
            values={":state": {"S": state}, ":at": {"S": clock.utc_text(at)}, ":done": {"S": DONE}},
            doing="end request",
        )


def new_id(now: datetime) -> str:
    """An id that sorts by time: digits of the moment, and eight more by chance."""
    digits = "".join(one for one in clock.utc_micros(now) if one.isdigit())
    return f"{digits}-{secrets.token_hex(4)}"


def binding(org: str, request_id: str) -> list[Any]:
    """What the sealed name of a request's person belongs to."""
    return ["subject-request", org, request_id]


def due(received_at: datetime) -> str:
    """The last moment for an answer, as UTC text."""
    return clock.utc_text(received_at + DUE)


def _key(org: str, request_id: str) -> Item:
    return {"entityTypeKey": {"S": keys.metadata(org, KIND)}, "entityId": {"S": request_id}}


def _item(org: str, request: SubjectRequest) -> Item:
    item: Item = {
        **_key(org, request.request_id),
        "kind": {"S": request.kind},
        "state": {"S": request.state},
        "subject": {"S": request.subject},
        "person": {"S": request.place},
        "principal": {"S": request.by},
        "reason": {"S": request.reason},
        "receivedAt": {"S": request.received_at},
        "dueAt": {"S": request.due_at},
    }
    if request.who:
        item["who"] = {"B": request.who}
    if request.done_at is not None:
        item["doneAt"] = {"S": request.done_at}
    return item


def _read(row: Item) -> SubjectRequest:
    found = {
        name.removeprefix("found_"): orjson.loads(value["S"])
        for name, value in row.items()
        if name.startswith("found_")
    }
    kind: Kind = row["kind"]["S"]
    return SubjectRequest(
        request_id=row["entityId"]["S"],
        kind=kind,
        state=row["state"]["S"],
        subject=row["subject"]["S"],
        place=row["person"]["S"],
        by=row["principal"]["S"],
        reason=row["reason"]["S"],
        received_at=row["receivedAt"]["S"],
        due_at=row["dueAt"]["S"],
        done_at=row["doneAt"]["S"] if "doneAt" in row else None,
        found=found,
        who=bytes(row["who"]["B"]) if "who" in row else b"",
    )
