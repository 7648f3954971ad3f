"""Writing of the online store: one materialization of a view at a time, and never an older row over a newer one.

A marker says who is writing, as of when. The later moment wins: who comes with it takes the view over, whether the other is
dead or only slow, and writes every row, because nobody knows which of them the other has written. Each row is put under the
condition that what stands there is not newer; a marker is moved on by the one that holds it only; and what the other may
still put is older than the moment as of which every row was written, and is therefore of nobody (features/rows.py).
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock
from millrace.core.batch import write_all
from millrace.core.errors import RetryableError, error_code, from_client_error
from millrace.features import rows
from millrace.features.current import Change
from millrace.features.rows import Marker
from millrace.features.views import FeatureView

# Rows outlive the whole writing that renews them, so that none is gone while it is true.
KEPT = timedelta(days=14)
MARKER_KEPT = timedelta(days=30)
IN_FLIGHT = 24
_CONDITION_FAILED = "ConditionalCheckFailedException"


class BusyError(RetryableError):
    """Another materialization of the view is on its way, as of a later moment."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a view. `before`: the marker as it was; one with `started_at` is of a run that died."""

    org: str
    view: FeatureView
    as_of: str
    token: str
    before: Marker | None


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows were put, and how many stand there newer than they would have been."""

    rows: int
    newer: int


class OnlineWriter:
    """Writes rows, markers and definitions."""

    def __init__(
        self,
        dynamodb: Any,
        table: str,
        *,
        in_flight: int = IN_FLIGHT,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """Args of note.

        Args:
            dynamodb: the low-level client, with at least `in_flight` connections.
            table: FeatureStore.
            in_flight: how many rows are put at once.
            now: the clock, for when it began.
        """
        self._dynamodb, self._table, self._in_flight, self._now = dynamodb, table, in_flight, now

    def begin(self, org: str, view: FeatureView, run: str, as_of: str) -> Lease | None:
        """The right to write the view as of a moment; None where it is complete up to then or later.

        Raises:
            BusyError: a run of a later moment has begun, or another was quicker.
            RetryableError: the table did not answer.
        """
        before = self._marker(org, view)
        if before is not None and _is_there(before, view, as_of):
            return None
        if before is not None and before.writing is not None and before.writing > as_of:
            # It may have put rows that are newer than ours, and have died: the next run writes all of them.
            raise BusyError(f"{before.run} has begun to write {view.name} of {org} as of {before.writing}")
        token = f"{run}/{uuid.uuid4().hex[:12]}"
        # As it was when it was read: of two that begin at once, one does.
        seen = {"asOf": before.as_of if before else None, "run": before.run if before else None}
        values = {":run": token, ":now": clock.utc_text(self._now()), ":writing": as_of}
        conditions = []
        for name, text in seen.items():
            conditions.append(f"attribute_not_exists(#{name})" if text is None else f"#{name} = :seen{name}")
            if text is not None:
                values[f":seen{name}"] = text
        try:
            self._update(
                org,
                view,
                "SET #run = :run, #startedAt = :now, #writing = :writing, #expiresAt = :expires",
                " AND ".join(conditions),
                values,
                ("run", "startedAt", "writing", "expiresAt", "asOf"),
            )
        except ClientError as error:
            if error_code(error.response) == _CONDITION_FAILED:
                raise BusyError(f"another run has begun to write {view.name} of {org}") from error
            raise from_client_error(error, "begin to write features") from error
        except BotoCoreError as error:
            raise from_client_error(error, "begin to write features") from error
        return Lease(org, view, as_of, token, before)

    def write(self, lease: Lease, changes: Iterable[Change]) -> Written:
        """Puts rows, some at once.

        Raises:
            RetryableError: the table did not take one; those before it are there.
        """
        put, newer = 0, 0
        with ThreadPoolExecutor(self._in_flight) as pool:
            for done in _bounded(
                pool, self._in_flight * 2, (partial(self._put, lease, change) for change in changes)
            ):
                put, newer = put + done, newer + (not done)
        return Written(put, newer)

    def complete(self, lease: Lease, snapshot: str, *, whole: bool) -> None:
        """The view is complete up to the lease's moment.

        Args:
            lease: of `begin`.
            snapshot: where the rows as they are now are kept.
            whole: whether every row was written.

        Raises:
            RetryableError: the table did not answer, or another has taken over.
        """
        before = lease.before
        whole_at = lease.as_of if whole or before is None or before.whole_at is None else before.whole_at
        if whole:
            self._define(lease)
        values = {
            ":run": lease.token,
            ":asOf": lease.as_of,
            ":wholeAt": whole_at,
            ":version": lease.view.version,
            ":digest": lease.view.digest,
            ":snapshot": snapshot,
        }
        names = ("asOf", "wholeAt", "version", "digest", "snapshot")
        said = ", ".join(f"#{name} = :{name}" for name in names)
        try:
            self._update(
                lease.org,
                lease.view,
                f"SET {said}, #expiresAt = :expires REMOVE #run, #startedAt, #writing",
                "#run = :run",
                values,
                (*names, "expiresAt", "run", "startedAt", "writing"),
            )
        except (ClientError, BotoCoreError) as error:
            if error_code(getattr(error, "response", {})) == _CONDITION_FAILED:
                raise RetryableError(
                    f"another run has taken over {lease.view.name} of {lease.org}"
                ) from error
            raise from_client_error(error, "complete features") from error

    def _put(self, lease: Lease, change: Change) -> bool:
        item = rows.item(lease.org, lease.view, change.entity, change.values, lease.as_of, KEPT)
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(asOf) OR asOf <= :asOf",
                ExpressionAttributeValues={":asOf": {"S": lease.as_of}},
            )
        except (ClientError, BotoCoreError) as error:
            if error_code(getattr(error, "response", {})) == _CONDITION_FAILED:
                return False
            raise from_client_error(error, f"write {lease.view.name}") from error
        return True

    def _marker(self, org: str, view: FeatureView) -> Marker | None:
        key = rows.marker_key(org, view.name)
        try:
            answer = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "read a marker of features") from error
        return rows.parse_marker(answer.get("Item"))

    def _update(
        self,
        org: str,
        view: FeatureView,
        update: str,
        condition: str,
        values: dict[str, str],
        names: Iterable[str],
    ) -> None:
        expires = clock.epoch(self._now() + MARKER_KEPT)
        self._dynamodb.update_item(
            TableName=self._table,
            Key=rows.marker_key(org, view.name),
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeNames={f"#{name}": name for name in names},
            ExpressionAttributeValues={
                **{name: {"S": text} for name, text in values.items()},
                ":expires": {"N": str(expires)},
            },
        )

    def _define(self, lease: Lease) -> None:
        expires = clock.epoch(self._now() + MARKER_KEPT)
        items = rows.definitions(lease.org, lease.view, expires)
        write_all(self._dynamodb, self._table, items)


def _bounded(pool: ThreadPoolExecutor, most: int, calls: Iterable[Callable[[], bool]]) -> Iterator[bool]:
    """What calls answer, of which only so many wait at once."""
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


def _is_there(marker: Marker, view: FeatureView, as_of: str) -> bool:
    """Whether the view is complete up to a moment, or later; of one definition, should it be that very moment."""
    if marker.as_of is None or marker.as_of < as_of:
        return False
    return marker.as_of > as_of or marker.digest == view.digest
