"""Verifies an erasure by reading: a sample of the person's events, in Events, raw and silver, and the key itself.

The work is bounded, however many events there are: nothing of an erasure depends on the size of the lake.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import pyarrow.compute as pc
import pyarrow.parquet as pq

from millrace.contracts import columns
from millrace.contracts.contract import PROTECTED, Contract
from millrace.contracts.errors import UnknownType, UnknownVersion
from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import receipts, silver
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import StoredEvent, from_item
from millrace.people.events import PersonEvents
from millrace.people.rows import PeopleRows
from millrace.privacy import identities, places
from millrace.privacy.identities import Identities
from millrace.privacy.tokens import SEALED, is_token

# The newest events that are looked at; of them, those that are looked at in the lake as well.
SAMPLE, IN_LAKE = 20, 5


class SilverReads(Protocol):
    """Reads single rows of silver."""

    def row(self, table: str, org: str, day: str, event_id: str) -> Mapping[str, Any] | None:
        """The row of an event; None where the table has none."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """Where it is read."""

    people: PeopleRows
    events: PersonEvents
    metadata: Table
    lake: Objects
    silver: SilverReads
    registry: Registry
    codec: Codec


def verified(stores: Stores, org: str, user: str, place: str, subject: int) -> dict[str, Any]:
    """What was looked at: `{"key": {…}, "events": {…}, "raw": {…}, "silver": {…}, "before": {…}}`, each with how many.

    Args:
        stores: where it is read.
        org: the tenant.
        user: the id of the person, which no row may have.
        place: the key of the person's item.
        subject: the number of the person, by which rows are found: who came back after the erasure has another one.

    Raises:
        PermanentError: a key, a value or the id can be read.
        MillraceError: a store did not answer.
    """
    if stores.people.has_key(org, place, subject):
        raise PermanentError("the key of the person is there")
    # An id that is the number of somebody else may stand in an event that names both; it is the other person there.
    number, *old_names = stores.people.forms(org, str(subject), user)
    sought = old_names[0] if old_names else None
    mine = [from_item(row, stores.codec) for row in stores.events.rows(org, [number], SAMPLE)]
    mentioning = {
        event.event_id for event in mine if _require_hidden(stores, event.envelope, sought, "Events")
    }
    raw, in_silver = 0, 0
    for event in mine[:IN_LAKE]:
        found = _object_of(stores, event)
        if found is None:
            continue
        for envelope in _raw(stores.lake, found, event.event_id):
            if _require_hidden(stores, {**event.envelope, **envelope}, sought, "raw"):
                mentioning.add(event.event_id)
            raw += 1
        looked, is_mentioned = _verified_in_silver(stores, event, sought, found)
        in_silver += looked
        if is_mentioned:
            mentioning.add(event.event_id)
    # Rows from before users were numbers have the id, and so have those from before a field was listed under `users`. The
    # certificate says whether there are any.
    old_rows = len([*stores.events.rows(org, old_names, SAMPLE)]) + len(mentioning)
    return {
        "key": {"readable": False},
        "events": {"looked": len(mine), "unreadable": len(mine)},
        "raw": {"looked": raw, "unreadable": raw},
        "silver": {"looked": in_silver, "unreadable": in_silver},
        "before": {"looked": old_rows},
    }


def _require_hidden(stores: Stores, envelope: Mapping[str, Any], user: str | None, store: str) -> bool:
    """Whether the id stands where the event mentions users: a row from before that place was one.

    Raises:
        PermanentError: a value is in clear, or the id where the event says whose it is.
    """

    def check(pointer: str, _: str, value: Any) -> Any:
        if value != SEALED and not is_token(value):
            raise PermanentError(f"{store} has a value in clear: {envelope['eventId']} {pointer}")
        return value

    contract, identity = _contract(stores, envelope), Identities()
    if contract is not None:  # of a type that is no longer known, what it had sealed lies in the blob
        places.of(contract).rewritten(envelope, check)
        identity = identities.of(contract)
    if user is not None and user in identity.users(envelope):
        if user not in identity.mentioned(envelope):
            raise PermanentError(f"{store} has the id of the person: {envelope['eventId']}")
        return True
    return False


def _contract(stores: Stores, envelope: Mapping[str, Any]) -> Contract | None:
    try:
        return stores.registry.of_ref(envelope["platform"]["contract"])
    except (UnknownType, UnknownVersion):
        return None


def _object_of(stores: Stores, event: StoredEvent) -> str | None:
    """The key of the raw object that holds an event; None as long as it is not archived, and for older manifests."""
    since = clock.parse(event.envelope["platform"]["receivedAt"])
    item = receipts.find(stores.metadata, event.org, receipts.MANIFEST, event.day, event.event_id, since)
    return None if item is None or "object" not in item else str(item["object"]["S"]).split("/", 3)[3]


def _raw(lake: Objects, key: str, event_id: str) -> Iterator[dict[str, Any]]:
    body = lake.find(key, doing="read raw")
    if body is None:
        return
    names = ["event_id", "user_id", "payload", "metadata"]
    table = pq.read_table(io.BytesIO(body), columns=names)
    for row in table.filter(pc.equal(table["event_id"], event_id)).to_pylist():
        data = {"payload": orjson.loads(row["payload"])}
        if row["metadata"] is not None:
            data["metadata"] = orjson.loads(row["metadata"])
        yield {"userId": row["user_id"], "data": data}


def _verified_in_silver(stores: Stores, event: StoredEvent, user: str | None, key: str) -> tuple[int, bool]:
    """How many rows were looked at, and whether one mentions the id, as `_require_hidden` says."""
    contract = _contract(stores, event.envelope)
    if contract is None:
        return 0, False
    table = f"silver.{columns.table(contract)}"
    if silver.find(stores.metadata, event.org, event.day, table, key, event.event_id) is None:
        return 0, False
    row = stores.silver.row(table, event.org, event.day, event.event_id)
    if row is None:
        return 0, False
    users, owners, is_mentioned = columns.users(contract), columns.owners(contract), False
    for column in columns.columns(contract):
        if column.classification in PROTECTED and column.pointer is not None:
            for value in _texts(row.get(column.name)):
                if value != SEALED and not is_token(value):
                    raise PermanentError(f"{table} has a value in clear: {event.event_id} {column.name}")
        elif column.name in users and str(row.get(column.name)) == user:
            if column.name in owners:
                raise PermanentError(f"{table} has the id of the person: {event.event_id} {column.name}")
            is_mentioned = True
    return 1, is_mentioned


def _texts(value: Any) -> Sequence[Any]:
    return () if value is None else value if isinstance(value, list) else (value,)
