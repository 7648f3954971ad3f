"""What is known of each import: a row of Metadata, `<org>#imports` / `<import id>`, replaced only by who has read it last."""

import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson

from millrace.core import clock, keys
from millrace.core.errors import ConditionFailedError
from millrace.core.prefixes import IMPORTS
from millrace.core.table import Item, Table

KIND = "imports"
State = Literal["running", "done", "refused", "failed"]
KEPT = timedelta(days=90)
_MOMENT_DIGITS = 12
_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file in the drop zone, as S3 tells of it: its key, ETag and bytes, and whose it is and of which type by its key."""

    org: str
    event_type: str
    name: str
    key: str
    etag: str
    at: datetime

    @property
    def import_id(self) -> str:
        """32 hex digits, the first twelve a moment in milliseconds; a second notice of the file has the same.

        A file that was sent through the API lies in a folder of its import's name; of another it is hashed.
        """
        folder, inside, _ = self.name.partition("/")
        if inside and is_id(folder):
            return folder
        digest = hashlib.sha256(f"{self.key}#{self.etag}".encode()).hexdigest()
        return f"{clock.epoch_millis(self.at):0{_MOMENT_DIGITS}x}{digest[:20]}"


def is_id(text: str) -> bool:
    """Whether a text has the form of an import's id."""
    return _ID.fullmatch(text) is not None


def new_id(at: datetime) -> str:
    """An id for a file that is still to be sent."""
    return f"{clock.epoch_millis(at):0{_MOMENT_DIGITS}x}{secrets.token_hex(10)}"


def upload_key(org: str, event_type: str, import_id: str, name: str) -> str:
    """Where a file goes that is sent through the API."""
    return f"{IMPORTS}{org}/{event_type}/{import_id}/{name}"


def dropped(key: str, etag: str, at: datetime) -> Dropped | None:
    """What a key of the drop zone says; None for one that is not `imports/<org>/<event type>/<name>`."""
    org, _, rest = key.removeprefix(IMPORTS).partition("/")
    event_type, _, name = rest.partition("/")
    if not (key.startswith(IMPORTS) and org and event_type and name) or name.endswith("/"):
        return None
    return Dropped(org, event_type, name, key, etag.strip('"'), at)


@dataclass(frozen=True, slots=True)
class Import:
    """An import, as far as it has come.

    Attributes:
        org: the tenant.
        import_id: of `Dropped`.
        event_type: that its rows become.
        name: of the file.
        etag: of the file.
        size: its bytes.
        options: what is declared about it, JSON.
        principal: who sent it.
        state: how it stands; `refused`: as a whole, perhaps behind rows that were taken.
        begun_at: when it was begun, UTC.
        ended_at: when it ended; empty before.
        rows: that were judged.
        accepted: of these.
        history: of the accepted, those that are older than their type is kept, and in the lake alone.
        duplicates: of these.
        rejected: of these.
        codes: code → how many rows were refused with it.
        told: reasons that are kept one by one.
        given_back: refused rows that are kept, to be repaired.
        group_at: when the rows behind `rows` were first given to intake; empty where they were not.
        reason: of `REASONS`, where the file is refused; empty else.
        message: in words why it is refused or has failed.
    """

    org: str
    import_id: str
    event_type: str
    name: str
    etag: str
    size: int
    options: str
    principal: str
    state: State
    begun_at: str
    ended_at: str = ""
    rows: int = 0
    accepted: int = 0
    history: int = 0
    duplicates: int = 0
    rejected: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    told: int = 0
    given_back: int = 0
    group_at: str = ""
    reason: str = ""
    message: str = ""

    def ended(self, state: State, *, reason: str = "", message: str = "") -> "Import":
        """The same at its end."""
        at = clock.utc_text(clock.now())
        return replace(self, state=state, ended_at=at, reason=reason, message=message, group_at="")


class Imports:
    """The imports in a table."""

    def __init__(self, metadata: Table) -> None:
        """`metadata` is the Metadata table."""
        self._metadata = metadata

    def find(self, org: str, import_id: str) -> Import | None:
        """An import; None where there is none."""
        item = self._metadata.get(_key(org, import_id), consistent=True, doing="read import")
        return None if item is None else _read(item)

    def begin(self, one: Import) -> Import:
        """Keeps a new import, or returns the one that is there."""
        there = self._metadata.insert(_item(one), "entityTypeKey", doing="keep import")
        return one if there is None else _read(there)

    def replace(self, before: Import, after: Import) -> None:
        """Keeps how far an import has come.

        Raises:
            ConditionFailedError: it has come further meanwhile; another one works on it.
        """
        kept = self._metadata.put(
            _item(after),
            condition="document = :before",
            values={":before": _item(before)["document"]},
            doing="keep import",
        )
        if not kept:
            raise ConditionFailedError(f"the import {before.import_id} has come further meanwhile")

    def listed(self, org: str, *, before: str | None, most: int) -> Iterator[Import]:
        """The newest imports first; `before`: those that were begun before this one."""
        condition, values = "entityTypeKey = :key", {":key": {"S": keys.metadata(org, KIND)}}
        if before is not None:
            condition, values = f"{condition} AND entityId < :before", {**values, ":before": {"S": before}}
        found = self._metadata.query(condition, values, newest_first=True, most=most, doing="list imports")
        return map(_read, found)


def _key(org: str, import_id: str) -> Item:
    return {"entityTypeKey": {"S": keys.metadata(org, KIND)}, "entityId": {"S": import_id}}


def _item(one: Import) -> Item:
    document: dict[str, Any] = asdict(one)
    return {
        **_key(one.org, one.import_id),
        "document": {"S": orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()},
        "expiresAt": {"N": str(clock.epoch(clock.parse(one.begun_at) + KEPT))},
    }


def _read(item: Item) -> Import:
    return Import(**orjson.loads(item["document"]["S"]))
