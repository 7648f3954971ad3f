"""What raw has: every object of a tenant's day that can be read, whether the manifest names it or not."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError

from millrace.archive import raw
from millrace.contracts.contract import CATEGORIES
from millrace.contracts.errors import UnknownType, UnknownVersion
from millrace.contracts.registry import Registry
from millrace.core import clock, keys
from millrace.core.errors import error_code, from_client_error
from millrace.reconcile.compare import OWNED, RAW, STORED, YOUNG, to_bytes

READERS = 8
COLUMNS = ["event_id", "event_type", "event_time", "user_id", "session_id", "contract", "expires_at"]
_HOUR_US = 3_600_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Owned:
    """An event that has a user or a session, with the key of its pointer in UserEvents."""

    event_type: str
    hour: int
    id: bytes
    user_key: str
    sort_key: str


@dataclass(slots=True)
class RawObject:
    """The events of an object: hour and id by what raw says of them (source bits) and type."""

    key: str
    events: dict[tuple[int, str], list[tuple[int, bytes]]] = field(default_factory=dict)
    owned: list[Owned] = field(default_factory=list)


@dataclass(slots=True)
class Held:
    """The objects of a tenant's day: the keys that are there, those that are no Parquet, when the newest was written."""

    keys: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    newest: datetime = _EPOCH


class RawObjects:
    """Reads ids, never payloads."""

    def __init__(self, s3: Any, bucket: str, registry: Registry) -> None:
        self._s3, self._bucket, self._registry = s3, bucket, registry

    def read(
        self, org: str, day: str, held: Held, *, since: datetime | None, young: datetime
    ) -> Iterator[RawObject]:
        """The objects of a tenant's day.

        Args:
            org: the tenant.
            day: UTC.
            held: is filled with all objects that there are.
            since: only events of objects that were written from this moment on.
            young: objects that were written from this moment on are marked so.

        Raises:
            MillraceError: the lake did not answer.
        """
        wanted: list[tuple[str, int]] = []
        for category in CATEGORIES:
            for key, at in self._listed(f"{raw.partition(org, category, day)}/"):
                held.keys.add(key)
                held.newest = max(held.newest, at)
                if since is None or at >= since:
                    wanted.append((key, YOUNG if at >= young else 0))
        with ThreadPoolExecutor(READERS, thread_name_prefix="raw") as pool:
            for start in range(0, len(wanted), READERS * 2):
                some = wanted[start : start + READERS * 2]
                bodies = pool.map(self._body, [key for key, _ in some])
                for (key, mark), body in zip(some, bodies, strict=True):
                    if body is None:
                        held.keys.discard(key)
                        continue
                    try:
                        found = pq.read_table(io.BytesIO(body), columns=COLUMNS)
                    except pa.ArrowInvalid:
                        held.unreadable.add(key)
                        continue
                    yield self._of(org, key, found, mark)

    def _of(self, org: str, key: str, found: pa.Table, mark: int) -> RawObject:
        now = clock.epoch(clock.now())
        columns = [found.column(name) for name in COLUMNS]
        columns[2] = columns[2].cast(pa.int64())
        made = RawObject(key)
        stored: dict[str, bool] = {}
        for event_id, event_type, at, user, session, ref, expires in zip(
            *(column.to_pylist() for column in columns), strict=True
        ):
            if ref not in stored:
                stored[ref] = self._is_stored(ref)
            source, hour, identifier = RAW | mark, at // _HOUR_US % 24, to_bytes(event_id)
            # Once its time is over the row may have gone, and its pointer with it.
            if stored[ref] and expires > now:
                source |= STORED
                owner = keys.by_owner(org, user, session)
                if owner is not None:
                    source |= OWNED
                    place = keys.sort(_EPOCH + timedelta(microseconds=at), event_id)
                    made.owned.append(Owned(event_type, hour, identifier, owner, place))
            made.events.setdefault((source, event_type), []).append((hour, identifier))
        return made

    def _is_stored(self, ref: str) -> bool:
        try:
            return self._registry.of_ref(ref).store == "table"
        except (UnknownType, UnknownVersion):
            # Of a contract that is not deployed here nothing is known but what is in the lake.
            return False

    def _listed(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        asked = {"Bucket": self._bucket, "Prefix": prefix}
        while True:
            try:
                page = self._s3.list_objects_v2(**asked)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "list raw") from error
            yield from ((found["Key"], found["LastModified"]) for found in page.get("Contents", []))
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def _body(self, key: str) -> bytes | None:
        try:
            body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if error_code(getattr(error, "response", {})) in {"NoSuchKey", "404"}:
                return None
            raise from_client_error(error, "read raw object") from error
        return body
