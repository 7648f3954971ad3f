"""The read model of alerts: a row of Analytics for each, made of its events in whatever order they come.

The row `org#alert` / `<alert id>` holds of each of `alert.raised`, `alert.acknowledged` and `alert.ended` the first, by
moment and id. `typeKey` (`org#alert#<state>`) and `date` (`<raised at>#<alert id>`) put it into the index by which alerts
are listed; an alert that was not raised has none. `userKey`, the user of the event that it follows from, puts it into the
one by which a user's alerts are found; it is the person's number, and in rows from before the user's id.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from millrace.alerts.alert import ACKNOWLEDGED, ENDED, RAISED, TYPES
from millrace.core import clock, keys
from millrace.core.consumer import Delivery
from millrace.core.table import KEYS_PER_CALL, Item, Table, is_expired
from millrace.eventstore.codec import Codec
from millrace.eventstore.heads import is_derived
from millrace.eventstore.order import HIGHEST, LOWEST
from millrace.eventstore.row import StoredEvent, from_item

INDEX, USER_INDEX = "eventType-date-index", "userId-metricType-index"
STATES = ("raised", "acknowledged", "ended")
# Of an alert as it is read, what no answer has: the user of the event that it follows from, as it is stored there.
USER = "user"
# Attribute of a row for each type: the event's place, and its payload beside it.
_NAMES = {RAISED: "raised", ACKNOWLEDGED: "acknowledged", ENDED: "ended"}
METRICS = {RAISED: "AlertsRaised", ACKNOWLEDGED: "AlertsAcknowledged", ENDED: "AlertsEnded"}
# A state is that of the row only as long as none of these has come.
_BEFORE = {"raised": ("acknowledged", "ended"), "acknowledged": ("ended",), "ended": ()}


class AlertRows:
    """Writes and reads them. The tenant is part of every key."""

    def __init__(self, analytics: Table) -> None:
        self._analytics = analytics

    def apply(self, event: StoredEvent) -> None:
        """Takes an event of an alert in, one of `TYPES`; again, or in another order, it comes to the same.

        Raises:
            RetryableError: the table did not take it.
        """
        payload, name = event.envelope["data"]["payload"], _NAMES[event.event_type]
        key = _key(event.org, payload["alertId"])
        values: dict[str, Any] = {
            ":place": {"S": keys.sort(event.happened_at, event.event_id)},
            ":payload": {"S": orjson.dumps(payload).decode()},
            ":expires": {"N": str(event.expires_at)},
        }
        # The row goes with `alert.raised`, whichever comes first.
        expires = ":expires" if name == "raised" else "if_not_exists(expiresAt, :expires)"
        expression = f"SET #name = :place, {name}Payload = :payload, expiresAt = {expires}"
        if name == "raised" and (user := event.envelope.get("userId")):
            expression += ", userKey = :user"
            values[":user"] = {"S": keys.by_user(event.org, user)}
        self._analytics.update(
            key,
            expression,
            condition="attribute_not_exists(#name) OR #name > :place",
            names={"#name": name},
            values=values,
            doing="keep alert",
        )
        self._list(key, event.org)

    def _list(self, key: Item, org: str) -> None:
        """Has the row listed in the state that it is in."""
        row = self._analytics.get(key, consistent=True, doing="read alert")
        if row is None or "raised" not in row:
            return
        state = _state(row)
        later = _BEFORE[state]
        # Where one of these comes meanwhile, whoever brings it lists the row.
        self._analytics.update(
            key,
            "SET typeKey = :state, #date = :date",
            condition=" AND ".join(["raised = :raised", *(f"attribute_not_exists({one})" for one in later)]),
            names={"#date": "date"},
            values={
                ":state": {"S": keys.join(org, "alert", state)},
                ":date": {"S": f"{_moment(row['raised']['S'])}#{row['tileKey']['S']}"},
                ":raised": row["raised"],
            },
            doing="list alert",
        )

    def get(self, org: str, alert_id: str) -> dict[str, Any] | None:
        """An alert as `listed` has it; None where there is none.

        Raises:
            MillraceError: the table did not answer.
        """
        row = self._analytics.get(_key(org, alert_id), consistent=True, doing="read alert")
        return None if row is None or "raised" not in row or is_expired(row) else public(row)

    def some(self, org: str, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """Alerts as `listed` has them, by id; none of those that there are not.

        Raises:
            MillraceError: the table did not answer.
        """
        rows = self._analytics.batch_get([_key(org, one) for one in dict.fromkeys(ids)], doing="read alerts")
        return {row["tileKey"]["S"]: public(row) for row in rows if "raised" in row and not is_expired(row)}

    def listed(
        self,
        org: str,
        states: Collection[str],
        since: datetime | None,
        until: datetime | None,
        after: str | None,
        expected: int,
        users: Collection[str] | None = None,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Alerts with their places, those raised last first, read as the iterator advances.

        Args:
            org: the tenant.
            states: of `STATES`.
            since: raised at or after it.
            until: raised before it.
            after: the place of the last alert of the page before.
            expected: how many the caller takes at most.
            users: only those that follow from an event of one of these. All of them are read.

        Raises:
            MillraceError: the table did not answer.
        """
        low = clock.utc_micros(since) if since is not None else LOWEST
        high = min(clock.utc_micros(until) if until is not None else HIGHEST, after or HIGHEST)
        if low >= high:
            return
        if users is not None:
            all_of = (one for user in users for one in self._of_user(org, user, states))
            of_users = ((place, one) for place, one in all_of if low <= place < high)
            yield from heapq.nlargest(expected, of_users, key=lambda placed: placed[0])
            return
        found = [self._places(org, state, low, high, expected) for state in states]
        some: list[str] = []
        for place in heapq.merge(*found, reverse=True):
            # An alert whose state changes meanwhile is found in both.
            if some and some[-1] == place:
                continue
            some.append(place)
            if len(some) == KEYS_PER_CALL:
                yield from self._of(org, some, states)
                some = []
        yield from self._of(org, some, states)

    def _places(self, org: str, state: str, low: str, high: str, expected: int) -> Iterator[str]:
        rows = self._analytics.pages(
            "typeKey = :state AND #date BETWEEN :low AND :high",
            {":state": {"S": keys.join(org, "alert", state)}, ":low": {"S": low}, ":high": {"S": high}},
            names={"#date": "date"},
            index=INDEX,
            newest_first=True,
            page_size=min(expected, KEYS_PER_CALL) + 1,
            doing="list alerts",
        )
        return (item["date"]["S"] for page in rows for item in page.items if item["date"]["S"] < high)

    def _of_user(self, org: str, user: str, states: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """In no order: the index knows users and kinds of rows, not moments."""
        pages = self._analytics.pages(
            "userKey = :user AND metricKey = :alerts",
            {":user": {"S": keys.by_user(org, user)}, ":alerts": _key(org, "")["metricKey"]},
            index=USER_INDEX,
            page_size=KEYS_PER_CALL,
            doing="list alerts of user",
        )
        for page in pages:
            wanted = [_key(org, item["tileKey"]["S"]) for item in page.items]
            for row in self._analytics.batch_get(wanted, doing="read alerts"):
                if not is_expired(row) and _state(row) in states:
                    yield f"{_moment(row['raised']['S'])}#{row['tileKey']['S']}", public(row)

    def _of(
        self, org: str, places: Sequence[str], states: Collection[str]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        ids = [place.partition(keys.SEPARATOR)[2] for place in places]
        rows = {
            row["tileKey"]["S"]: row
            for row in self._analytics.batch_get([_key(org, one) for one in ids], doing="read alerts")
        }
        for place, alert_id in zip(places, ids, strict=True):
            row = rows.get(alert_id)
            if row is not None and not is_expired(row) and _state(row) in states:
                yield place, public(row)


class AlertTracker:
    """The consumer of alerts' events, which keeps their rows."""

    def __init__(
        self,
        rows: AlertRows,
        codec: Codec,
        contract_of: Callable[[str], object],
        count: Callable[[Mapping[str, int]], None] = lambda _: None,
    ) -> None:
        """Makes a consumer.

        Args:
            rows: of the alerts.
            codec: reads the stored events.
            contract_of: raises NotDeployedError for a contract that is not in force here.
            count: takes how many events of which metric of `METRICS` a batch held, if it held any.
        """
        self._rows, self._codec, self._contract_of, self._count = rows, codec, contract_of, count

    def track(self, deliveries: Sequence[Delivery]) -> None:
        """Takes a batch in.

        Raises:
            PermanentError: a delivery holds no row of an event.
            RetryableError: not every event is taken in.
        """
        counts: Counter[str] = Counter()
        for delivery in deliveries:
            # Clients could once send alerts of their own.
            if delivery.item["eventType"]["S"] not in TYPES or not is_derived(delivery.item):
                continue
            event = from_item(delivery.item, self._codec)
            self._contract_of(event.envelope["platform"]["contract"])
            self._rows.apply(event)
            counts[METRICS[event.event_type]] += 1
        if counts:
            self._count(counts)


def public(row: Item) -> dict[str, Any]:
    """An alert as the API answers it, but for whether it is muted now, and with `USER`."""
    raised = orjson.loads(row["raisedPayload"]["S"])
    of = {name: orjson.loads(row[f"{name}Payload"]["S"]) for name in STATES if f"{name}Payload" in row}
    ended = of.get("ended", {})
    # After the end nothing counts.
    in_time = "ended" not in row or row.get("acknowledged", row["ended"])["S"] < row["ended"]["S"]
    acknowledged = of.get("acknowledged", {}) if in_time else {}
    return {
        "alertId": raised["alertId"],
        "kind": raised["kind"],
        "rule": raised.get("ruleId"),
        "severity": raised["severity"],
        "state": _state(row),
        "subject": raised.get("subject"),
        "owner": raised.get("owner"),
        "title": raised["title"],
        "message": raised.get("message"),
        "expected": raised.get("expected"),
        "observed": ended.get("observed", raised.get("observed")),
        "score": raised.get("score"),
        "raisedAt": clock.utc_text(clock.parse(_moment(row["raised"]["S"]))),
        "acknowledgedAt": acknowledged.get("acknowledgedAt"),
        "acknowledgedBy": acknowledged.get("acknowledgedBy"),
        "note": acknowledged.get("note"),
        "endedAt": ended.get("endedAt"),
        "endReason": ended.get("reason"),
        USER: keys.user_of(row["userKey"]["S"])[1] if "userKey" in row else None,
    }


def _state(row: Item) -> str:
    return next((name for name in reversed(STATES) if name in row), "")


def _moment(place: str) -> str:
    return place.partition(keys.SEPARATOR)[0]


def _key(org: str, alert_id: str) -> Item:
    return {"metricKey": {"S": keys.join(org, "alert")}, "tileKey": {"S": alert_id}}
