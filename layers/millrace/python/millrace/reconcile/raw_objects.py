"""What raw has: every object of a tenant's day that can be read, whether the manifest names it or not."""

import io
from collections.abc import Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError

from millrace.archive import raw
from millrace.contracts.contract import CATEGORIES
from millrace.contracts.errors import UnknownType, UnknownVersion
from millrace.contracts.registry import Registry
from millrace.core import keys
from millrace.core.errors import error_code, from_client_error
from millrace.eventstore import silver
from millrace.reconcile.compare import OWNED, RAW, STORED, to_bytes

READERS = 8
COLUMNS = ["event_id", "event_type", "event_time", "user_id", "session_id", "contract", "expires_at"]
_HOUR_US = 3_600_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RawEvent(NamedTuple):
    """What of a row says where the event should be. `stored`: its contract gives it a row in Events, until `expires_at`."""

    event_type: str
    hour: int
    id: bytes
    stored: bool
    owned: bool
    expires_at: int

    def source(self, now: int) -> int:
        """The source bits. Once its time is over the row may have gone, and its pointer with it."""
        if not self.stored or self.expires_at <= now:
            return RAW
        return RAW | STORED | (OWNED if self.owned else 0)


@dataclass(slots=True)
class RawObject:
    """The events of an object; with those that are owned, the keys of their pointers in UserEvents, in the same order.

    `name` is 8 bytes of the hash of its key; `young`: it was written just now.
    """

    name: bytes
    young: bool
    events: list[RawEvent] = field(default_factory=list)
    pointers: list[tuple[str, str]] = field(default_factory=list)

    def pointers_now(self, now: int) -> set[tuple[str, str]]:
        """The keys of those whose time is not over."""
        owned = (event for event in self.events if event.owned)
        return {key for event, key in zip(owned, self.pointers, strict=True) if event.expires_at > now}


@dataclass(slots=True)
class Held:
    """The objects of a tenant's day: when each was written, by key, and those that are no Parquet."""

    written: dict[str, datetime] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    @property
    def names(self) -> set[bytes]:
        """All, as `RawObject.name`."""
        return {silver.fold(key) for key in self.written}

    @property
    def newest(self) -> datetime:
        """When the newest was written; 1970 where there is none."""
        return max(self.written.values(), default=_EPOCH)


class RawObjects:
    """Reads ids, never payloads."""

    def __init__(self, s3: Any, bucket: str, registry: Registry) -> None:
        self._s3, self._bucket, self._registry = s3, bucket, registry

    def listed(self, org: str, day: str) -> Held:
        """The objects that there are.

        Raises:
            MillraceError: the lake did not answer.
        """
        held = Held()
        for category in CATEGORIES:
            held.written.update(self._listed(f"{raw.partition(org, category, day)}/"))
        return held

    def read(
        self, org: str, held: Held, *, known: Set[bytes], since: datetime | None, young: datetime
    ) -> Iterator[RawObject]:
        """What is in the objects of a tenant's day. Those that are not there or no Parquet after all are noted in `held`.

        Args:
            org: the tenant.
            held: of `listed`.
            known: names of objects that are not to be read.
            since: only objects that were written from this moment on.
            young: objects that were written from this moment on are marked so.

        Raises:
            MillraceError: the lake did not answer.
        """
        wanted = [
            (key, at >= young)
            for key, at in held.written.items()
            if (since is None or at >= since) and silver.fold(key) not in known
        ]
        with ThreadPoolExecutor(READERS, thread_name_prefix="raw") as pool:
            for start in range(0, len(wanted), READERS * 2):
                some = wanted[start : start + READERS * 2]
                bodies = pool.map(self._body, [key for key, _ in some])
                for (key, mark), body in zip(some, bodies, strict=True):
                    if body is None:
                        del held.written[key]
                        continue
                    try:
                        found = pq.read_table(io.BytesIO(body), columns=COLUMNS)
                    except Exception:  # noqa: BLE001  a broken file is said in many ways; its bytes are here already
                        held.unreadable.add(key)
                        continue
                    yield self._of(org, RawObject(silver.fold(key), mark), found)

    def _of(self, org: str, made: RawObject, found: pa.Table) -> RawObject:
        columns = [found.column(name) for name in COLUMNS]
        columns[2] = columns[2].cast(pa.int64())
        stored: dict[str, bool] = {}
        for event_id, event_type, at, user, session, ref, expires in zip(
            *(column.to_pylist() for column in columns), strict=True
        ):
            if ref not in stored:
                stored[ref] = self._is_stored(ref)
            owner = keys.by_owner(org, user, session) if stored[ref] else None
            hour, identifier = at // _HOUR_US % 24, to_bytes(event_id)
            made.events.append(
                RawEvent(event_type, hour, identifier, stored[ref], owner is not None, expires)
            )
            if owner is not None:
                made.pointers.append((owner, keys.sort(_EPOCH + timedelta(microseconds=at), event_id)))
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
