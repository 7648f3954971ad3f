"""Status of a refused event: open → replayed or discarded, by one conditional write each, so that one caller wins.

A replay claims what it is about to append. While the claim stands the event is not discarded, and no replay that would make
something else of it appends it; one with the same patch may take it over, because of two appends of one id the table takes one. A
claim ends with the replay, or with its time.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from millrace.core import clock
from millrace.core.table import Item, Table
from millrace.quarantine import entry as entries

IN_FLIGHT = 8
# Longer than the function that replays may run.
CLAIM_MILLISECONDS = 60_000


class Transitions:
    """Writes of the index rows of refused events."""

    def __init__(self, metadata: Table) -> None:
        self._metadata = metadata

    def claim(self, org: str, identifiers: Iterable[str], by: str, patch: str) -> set[str]:
        """Claims those that are open for a while; the ids of those that were, and that no other patch has claimed.

        Args:
            org: the tenant.
            identifiers: of refused events.
            by: the request.
            patch: a text that is the same for the same patch only.

        Raises:
            MillraceError: the table did not answer.
        """
        moment = clock.epoch_millis(clock.now())
        return self._each(
            org,
            identifiers,
            expression="SET claimedBy = :by, claimedUntil = :until, claimedFor = :patch",
            condition=(
                "#status = :open AND (attribute_not_exists(claimedUntil) OR claimedUntil < :moment OR claimedFor = :patch)"
            ),
            names={"#status": "status"},
            values={
                ":by": {"S": by},
                ":until": {"N": str(moment + CLAIM_MILLISECONDS)},
                ":moment": {"N": str(moment)},
                ":patch": {"S": patch},
                ":open": {"S": "open"},
            },
        )

    def release(self, org: str, attempts: Mapping[str, str], by: str) -> set[str]:
        """Gives back what is claimed by this one, each with its failed replays as JSON.

        Raises:
            MillraceError: the table did not answer.
        """
        return self._each(
            org,
            attempts,
            lambda one: {":attempts": {"S": attempts[one]}},
            expression="SET attempts = :attempts REMOVE claimedBy, claimedUntil, claimedFor",
            condition="claimedBy = :by",
            values={":by": {"S": by}},
        )

    def close(self, org: str, identifiers: Iterable[str], status: str, principal: str) -> set[str]:
        """Closes those that are open; a discard not those that a replay has claimed. The ids that it closed.

        Raises:
            MillraceError: the table did not answer.
        """
        now = clock.now()
        condition = "#status = :open"
        values = {
            ":status": {"S": status},
            ":open": {"S": "open"},
            ":now": {"S": clock.utc_text(now)},
            ":principal": {"S": principal},
        }
        if status == "discarded":
            condition += " AND (attribute_not_exists(claimedUntil) OR claimedUntil < :moment)"
            values[":moment"] = {"N": str(clock.epoch_millis(now))}
        return self._each(
            org,
            identifiers,
            expression=(
                "SET #status = :status, closedAt = :now, closedBy = :principal "
                "REMOVE claimedBy, claimedUntil, claimedFor"
            ),
            condition=condition,
            names={"#status": "status"},
            values=values,
        )

    def open_ones(self, org: str, identifiers: Iterable[str]) -> set[str]:
        """Those that are still open.

        Raises:
            MillraceError: the table did not answer.
        """
        rows = self._metadata.batch_get(
            [_key(org, one) for one in identifiers],
            consistent=True,
            projection="entityId, #status",
            names={"#status": "status"},
            doing="read the status of refused events",
        )
        return {row["entityId"]["S"] for row in rows if row["status"]["S"] == "open"}

    def _each(
        self,
        org: str,
        identifiers: Iterable[str],
        own: Callable[[str], Mapping[str, Any]] = lambda _: {},
        **update: Any,
    ) -> set[str]:
        """Updates each; `own` are the values of one. The ids whose condition held."""
        chosen = list(identifiers)

        def write(one: str) -> bool:
            return self._update(org, one, {**update, "values": {**update["values"], **own(one)}})

        if len(chosen) < IN_FLIGHT:
            return {one for one in chosen if write(one)}
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="quarantine") as pool:
            return {one for one, done in zip(chosen, pool.map(write, chosen), strict=True) if done}

    def _update(self, org: str, identifier: str, update: dict[str, Any]) -> bool:
        """Whether the condition held."""
        return self._metadata.update(
            _key(org, identifier), **update, doing="change the status of a refused event"
        )


def _key(org: str, identifier: str) -> Item:
    day = clock.day_text(entries.moment_of(identifier))
    return {"entityTypeKey": {"S": entries.day_key(org, day)}, "entityId": {"S": identifier}}
