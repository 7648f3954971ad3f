"""Writing of the online store: one materialization of an entity's rows at a time, and never an older row over a newer one.

A marker names the run that is writing, and as of which moment. The later moment wins: a later run takes over, whether
the earlier one is dead or only slow, and writes every row, because it cannot know which rows the other has written. Each row is
put under the condition that the stored one is not newer; only the run in the marker completes it; and rows that the other may
still put are older than the moment as of which every row was written, and so do not count (features/rows.py).
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from millrace.core import clock
from millrace.core.errors import RetryableError
from millrace.core.table import Table
from millrace.features import rows
from millrace.features.current import Change
from millrace.features.rows import Marker
from millrace.features.views import OnlineEntity

MARKER_KEPT = timedelta(days=30)
IN_FLIGHT = 24


class BusyError(RetryableError):
    """Another materialization of the entity is under way, as of a later moment."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write an entity's rows. `before`: the marker as it was; one with `started_at` is of a run that died."""

    org: str
    entity: OnlineEntity
    as_of: str
    token: str
    before: Marker | None


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows were put, and how many were not because the stored row is newer."""

    rows: int
    newer: int


class OnlineWriter:
    """Writes rows, markers and definitions."""

    def __init__(
        self,
        table: Table,
        *,
        in_flight: int = IN_FLIGHT,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """Makes no call.

        Args:
            table: FeatureStore, over a client with at least `in_flight` connections.
            in_flight: how many rows are put at once.
            now: the clock, for when it began.
        """
        self._table, self._in_flight, self._now = table, in_flight, now

    def begin(self, org: str, entity: OnlineEntity, run: str, as_of: str) -> Lease | None:
        """The right to write the rows as of a moment; None where they are complete up to then or later.

        Raises:
            BusyError: a run of a later moment has begun, or another was quicker.
            RetryableError: the table did not answer.
        """
        before = self._marker(org, entity)
        if before is not None and _is_there(before, entity, as_of):
            return None
        if before is not None and before.writing is not None and before.writing > as_of:
            # It may have put newer rows, and have died: the next run writes every row.
            raise BusyError(f"{before.run} has begun to write {entity.name} of {org} as of {before.writing}")
        token = f"{run}/{uuid.uuid4().hex[:12]}"
        # The marker must be as it was read: of two runs that begin at once, one succeeds.
        seen = {"asOf": before.as_of if before else None, "run": before.run if before else None}
        values = {":run": token, ":now": clock.utc_text(self._now()), ":writing": as_of}
        conditions = []
        for name, text in seen.items():
            conditions.append(f"attribute_not_exists(#{name})" if text is None else f"#{name} = :seen{name}")
            if text is not None:
                values[f":seen{name}"] = text
        begun = self._update(
            org,
            entity,
            "SET #run = :run, #startedAt = :now, #writing = :writing, #expiresAt = :expires",
            " AND ".join(conditions),
            values,
            ("run", "startedAt", "writing", "expiresAt", "asOf"),
        )
        if not begun:
            raise BusyError(f"another run has begun to write {entity.name} of {org}")
        return Lease(org, entity, as_of, token, before)

    def write(self, lease: Lease, changes: Iterable[Change]) -> Written:
        """Puts rows, some at once.

        Raises:
            RetryableError: the table did not take one; those before it are stored.
        """
        put, newer = 0, 0
        with ThreadPoolExecutor(self._in_flight) as pool:
            for done in _bounded(
                pool, self._in_flight * 2, (partial(self._put, lease, change) for change in changes)
            ):
                put, newer = put + done, newer + (not done)
        return Written(put, newer)

    def complete(self, lease: Lease, snapshot: str, *, whole: bool) -> None:
        """The rows are complete up to the lease's moment.

        Args:
            lease: of `begin`.
            snapshot: the file with what the rows are now.
            whole: whether every row was written.

        Raises:
            RetryableError: the table did not answer, or another has taken over.
        """
        before = lease.before
        whole_at = lease.as_of if whole or before is None or before.whole_at is None else before.whole_at
        if whole or before is None or before.as_of is None or _week(before.as_of) != _week(lease.as_of):
            self._define(lease)
        values = {
            ":run": lease.token,
            ":asOf": lease.as_of,
            ":wholeAt": whole_at,
            ":views": rows.marks(lease.entity),
            ":snapshot": snapshot,
        }
        names = ("asOf", "wholeAt", "views", "snapshot")
        assignments = ", ".join(f"#{name} = :{name}" for name in names)
        completed = self._update(
            lease.org,
            lease.entity,
            f"SET {assignments}, #expiresAt = :expires REMOVE #run, #startedAt, #writing",
            "#run = :run",
            values,
            (*names, "expiresAt", "run", "startedAt", "writing"),
        )
        if not completed:
            raise RetryableError(f"another run has taken over {lease.entity.name} of {lease.org}")

    def _put(self, lease: Lease, change: Change) -> bool:
        item = rows.item(
            lease.org, lease.entity.name, change.entity, change.views, lease.as_of, change.expires_at
        )
        return self._table.put(
            item,
            condition="attribute_not_exists(asOf) OR asOf <= :asOf",
            values={":asOf": {"S": lease.as_of}},
            doing=f"write {lease.entity.name}",
        )

    def _marker(self, org: str, entity: OnlineEntity) -> Marker | None:
        key = rows.marker_key(org, entity.name)
        return rows.parse_marker(self._table.get(key, consistent=True, doing="read a marker of features"))

    def _update(
        self,
        org: str,
        entity: OnlineEntity,
        update: str,
        condition: str,
        values: dict[str, str],
        names: Iterable[str],
    ) -> bool:
        expires = clock.epoch(self._now() + MARKER_KEPT)
        return self._table.update(
            rows.marker_key(org, entity.name),
            update,
            condition=condition,
            names={f"#{name}": name for name in names},
            values={
                **{name: {"S": text} for name, text in values.items()},
                ":expires": {"N": str(expires)},
            },
            doing=f"mark {entity.name}",
        )

    def _define(self, lease: Lease) -> None:
        expires = clock.epoch(self._now() + MARKER_KEPT)
        definitions = [
            one for view in lease.entity.views for one in rows.definitions(lease.org, view, expires)
        ]
        self._table.write_all(definitions, doing="write definitions")


def _bounded(pool: ThreadPoolExecutor, most: int, calls: Iterable[Callable[[], bool]]) -> Iterator[bool]:
    """The results of calls, of which at most `most` are pending at once."""
    waiting: set[Future[bool]] = set()
    try:
        for call in calls:
            waiting.add(pool.submit(call))
            if len(waiting) >= most:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        for one in waiting:
            yield one.result()
    finally:
        for one in waiting:
            one.cancel()


def _is_there(marker: Marker, entity: OnlineEntity, as_of: str) -> bool:
    """Whether the rows are complete up to a moment, or later; of these definitions, should it be that very moment."""
    if marker.as_of is None or marker.as_of < as_of:
        return False
    return marker.as_of > as_of or marker.digests == entity.digests


def _week(moment: str) -> tuple[int, int]:
    """The definitions are written once a week, and so outlive a month."""
    return clock.parse(moment).isocalendar()[:2]
