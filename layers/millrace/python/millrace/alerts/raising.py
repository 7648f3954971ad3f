"""Raises and ends alerts: each once, one open alert of a rule and a subject, and in a storm a bounded number.

Three kinds of rows of Analytics stand behind it, all written under conditions, so that redelivery and two deliveries at
once change nothing:

- `org#alert-episode#<kind>#<rule>#<subject>` / `open`: the alert that is open, or was the last one
- `org#alert-rate#<kind>#<rule>` / `<hour>`: the alerts of a rule that were raised in an hour
- `org#alert-held#<kind>#<rule>#<hour>` / `<alert>`: those that were held back

Whoever is held back first raises an alert of kind `storm`, which ends some minutes after the hour and then says how many there
were (`platform#alert-storm#0` lists the storms by their end).
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from millrace.alerts.alert import ENDED, RAISED, SOURCE, STORM, Alert
from millrace.alerts.mutes import Mutes
from millrace.core import clock, keys
from millrace.core.table import Item, Table
from millrace.eventstore import derived_ids
from millrace.eventstore.emit import Emitter, PlatformEvent, stated
from millrace.eventstore.row import StoredEvent

# Alerts of a rule in an hour. Whoever gets more than that reads none of them.
MOST_AN_HOUR = 20
_LONGEST_SUBJECT = 400
_HOUR = timedelta(hours=1)
# Alerts of an hour are found some minutes after it as well: a timer that was due at its end, a batch that was late.
_SETTLE = timedelta(minutes=10)
# An alert may be found again as long as its events may be delivered again.
_KEPT = timedelta(days=14)
# Rows of an alert without an end of its quiet stay as long as alerts are listed.
_LONGEST = timedelta(days=90)
_EPISODE, _RATE, _HELD, _OPEN = "alert-episode", "alert-rate", "alert-held", "open"
_STORMS = {"S": keys.join("platform", "alert-storm", "0")}


@dataclass(frozen=True, slots=True)
class _Opened:
    alert: Alert
    # When it was raised for the first time.
    raised_at: str


class Alerts:
    """Raises and ends alerts of all tenants."""

    def __init__(
        self, analytics: Table, mutes: Mutes, emitter: Emitter, now: Callable[[], datetime] = clock.now
    ) -> None:
        self._analytics, self._mutes, self._emitter, self._now = analytics, mutes, emitter, now

    def raise_all(self, alerts: Sequence[Alert]) -> None:
        """Raises alerts; to raise them again changes nothing.

        Raises:
            RetryableError: not all of them are raised.
        """
        opened = [one for alert in alerts if (one := self._open(alert)) is not None]
        of_rule = lambda one: (one.alert.org, one.alert.kind, one.alert.rule, _hour(one.alert.at))  # noqa: E731
        for _, some in groupby(sorted(opened, key=of_rule), of_rule):
            admitted, held = self._admit(list(some))
            if held:
                self._hold(held)
            self._emitter.emit([self._raised(one.alert, one.raised_at) for one in admitted])

    def end(
        self,
        org: str,
        kind: str,
        rule: str,
        subject: str,
        *,
        reason: str,
        alert_id: str | None = None,
        observed: float | None = None,
        cause: StoredEvent | None = None,
    ) -> bool:
        """Ends the open alert of a rule and a subject.

        Args:
            org: the tenant.
            kind: of the alert.
            rule: of the alert.
            subject: of the alert.
            reason: `late`, `recovered`, ….
            alert_id: only if it is this one.
            observed: what there was in the end.
            cause: the event that it follows from.

        Returns:
            Whether there was one.

        Raises:
            RetryableError: it may not have ended.
        """
        key = _episode(org, kind, rule, subject)
        row = self._analytics.get(key, consistent=True, doing="read alert")
        if row is None or "ended" in row or (alert_id is not None and row["alertId"]["S"] != alert_id):
            return False
        found = row["alertId"]["S"]
        if self._is_told(org, kind, rule, row["hour"]["S"], found, int(row["expiresAt"]["N"])):
            about = _about(kind, rule, subject, row)
            self._emit_end(org, found, about, reason, row["raisedAt"]["S"], observed, cause)
        self._analytics.update(
            key,
            "SET ended = :now",
            condition="alertId = :id",
            values={":now": {"S": clock.utc_micros(self._now())}, ":id": {"S": found}},
            doing="end alert",
        )
        return True

    def _is_told(self, org: str, kind: str, rule: str, hour: str, alert_id: str, expires: int) -> bool:
        """Whether an alert was raised or will be; False where it is held back.

        Who raises it may stand between the beginning of its episode and that decision. Then it is made here, and holds for both: an alert that was told
        as ended is never held back, and one that is held back is never told.
        """
        rate = self._analytics.get(_rate(org, kind, rule, hour), consistent=True, doing="count alerts")
        if alert_id in _admitted(rate):
            return True
        held = _held(org, kind, rule, hour, alert_id)
        if self._analytics.get(held, consistent=True, doing="read alert") is not None:
            return False
        if alert_id in self._admit_one(org, kind, rule, hour, alert_id, expires):
            return True
        self._analytics.put({**held, "expiresAt": {"N": str(expires)}}, doing="hold alerts")
        return False

    def open_ones(
        self, subjects: Sequence[tuple[str, str, str, str]]
    ) -> dict[tuple[str, str, str, str], tuple[str, datetime]]:
        """The alerts that are open, by tenant, kind, rule and subject: the id of each and the beginning of its window.

        Raises:
            RetryableError: the table did not answer.
        """
        by_key = {_episode(*one)["metricKey"]["S"]: one for one in subjects}
        rows = self._analytics.batch_get(
            [_episode(*one) for one in by_key.values()], consistent=True, doing="read alerts"
        )
        return {
            by_key[row["metricKey"]["S"]]: (row["alertId"]["S"], clock.parse(row["since"]["S"]))
            for row in rows
            if "ended" not in row
        }

    def end_storms(self, most: int = 100) -> int:
        """Ends the storms whose hour is over for a while, each with how many alerts were held back; returns how many ended.

        Raises:
            RetryableError: not all of them have ended.
        """
        now = clock.utc_micros(self._now() - _SETTLE)
        due = self._analytics.query(
            "metricKey = :storms AND tileKey < :now",
            {":storms": _STORMS, ":now": {"S": now}},
            consistent=True,
            most=most,
            doing="read storms",
        )
        ended = 0
        for row in list(due):
            org, kind, rule, hour = (row[name]["S"] for name in ("orgId", "kind", "rule", "hour"))
            held = sum(1 for _ in self._held(org, kind, rule, hour))
            about = _about(STORM, rule, f"{kind}:{rule}", row)
            self._emit_end(org, row["alertId"]["S"], about, "passed", row["raisedAt"]["S"], held, None)
            self._analytics.delete({name: row[name] for name in ("metricKey", "tileKey")}, doing="end storm")
            ended += 1
        return ended

    def _held(self, org: str, kind: str, rule: str, hour: str) -> Iterator[Item]:
        return self._analytics.query(
            "metricKey = :key",
            {":key": {"S": keys.join(org, _HELD, kind, rule, hour)}},
            projection="tileKey",
            consistent=True,
            doing="count alerts",
        )

    def _open(self, alert: Alert) -> _Opened | None:
        """Begins the episode of an alert; None where another one of the rule and the subject is open."""
        key = _episode(alert.org, alert.kind, alert.rule, alert.subject)
        raised_at = clock.utc_text(self._now())
        until = (
            alert.at + alert.quiet
            if alert.quiet is not None
            else datetime.max.replace(tzinfo=alert.at.tzinfo)
        )
        values = {
            ":id": {"S": alert.alert_id},
            ":at": {"S": clock.utc_micros(alert.at)},
            ":until": {"S": clock.utc_micros(until)},
            ":raised": {"S": raised_at},
            ":hour": {"S": _hour(alert.at)},
            ":since": {"S": clock.utc_micros(alert.window[0] if alert.window else alert.at)},
            ":severity": {"S": alert.severity},
            ":owner": {"S": alert.owner},
            ":expires": {"N": str(clock.epoch(alert.at + (alert.quiet or _LONGEST) + _KEPT))},
        }
        begun = self._analytics.update(
            key,
            "SET alertId = :id, #at = :at, #until = :until, raisedAt = :raised, #hour = :hour, severity = :severity, "
            "#owner = :owner, since = :since, expiresAt = :expires REMOVE ended",
            condition="attribute_not_exists(alertId) OR "
            "(alertId <> :id AND (#until < :at OR (attribute_exists(ended) AND #at < :at)))",
            names={"#at": "at", "#until": "until", "#hour": "hour", "#owner": "owner"},
            values=values,
            doing="open alert",
        )
        if begun:
            return _Opened(alert, raised_at)
        row = self._analytics.get(key, consistent=True, doing="read alert")
        if row is None or row["alertId"]["S"] != alert.alert_id:
            return None
        return _Opened(alert, row["raisedAt"]["S"])

    def _admit(self, opened: list[_Opened]) -> tuple[list[_Opened], list[_Opened]]:
        """Which of a rule's alerts of one hour are raised, and which are held back."""
        first = opened[0].alert
        hour, expires = _hour(first.at), clock.epoch(first.at + _KEPT)
        for place, one in enumerate(opened):
            alert_id = one.alert.alert_id
            known = self._admit_one(first.org, first.kind, first.rule, hour, alert_id, expires)
            if alert_id not in known:
                # Full, and a set only grows.
                rest = opened[place:]
                admitted = [other for other in rest if other.alert.alert_id in known]
                held = [other for other in rest if other.alert.alert_id not in known]
                return [*opened[:place], *admitted], held
        return opened, []

    def _admit_one(
        self, org: str, kind: str, rule: str, hour: str, alert_id: str, expires: int
    ) -> Collection[str]:
        """Admits an alert of a rule's hour if there is room; those that are admitted, as far as it is known: with it, unless it is held back."""
        key = _rate(org, kind, rule, hour)
        if self._analytics.update(
            key,
            "SET expiresAt = :expires ADD admitted :one, #count :1",
            condition="attribute_not_exists(#count) OR (#count < :most AND NOT contains(admitted, :id))",
            names={"#count": "count"},
            values={
                ":one": {"SS": [alert_id]},
                ":id": {"S": alert_id},
                ":1": {"N": "1"},
                ":most": {"N": str(MOST_AN_HOUR)},
                ":expires": {"N": str(expires)},
            },
            doing="count alerts",
        ):
            return (alert_id,)
        return _admitted(self._analytics.get(key, consistent=True, doing="count alerts"))

    def _hold(self, held: Sequence[_Opened]) -> None:
        first, hour = held[0].alert, _hour(held[0].alert.at)
        expires = {"N": str(clock.epoch(first.at + _KEPT))}
        rows = {
            one.alert.alert_id: _held(first.org, first.kind, first.rule, hour, one.alert.alert_id)
            for one in held
        }
        self._analytics.write_all(
            [{**row, "expiresAt": expires} for row in rows.values()], doing="hold alerts"
        )
        until = max(clock.parse(f"{hour}:00:00Z") + _HOUR, self._now())
        storm = Alert(
            org=first.org,
            kind=STORM,
            rule=first.rule,
            subject=f"{first.kind}:{first.rule}",
            about=(hour,),
            severity=first.severity,
            title=f"Alerts of {first.rule} are held back",
            message=f"{MOST_AN_HOUR} alerts of {first.rule} were raised in the hour from {hour}:00 UTC. The others of this hour "
            "are counted; when it is over, this alert ends and says how many there were.",
            owner=first.owner,
            at=first.at,
            expected=MOST_AN_HOUR,
        )
        due = _storm_row(storm, first.kind, hour, until, clock.utc_text(self._now()))
        known = self._analytics.insert(due, "metricKey", doing="begin storm")
        self._emitter.emit([self._raised(storm, (known or due)["raisedAt"]["S"])])

    def _raised(self, alert: Alert, raised_at: str) -> PlatformEvent:
        muted = self._mutes.until(alert.org, alert.kind, alert.rule, alert.subject, self._now()) is not None
        return stated(
            RAISED,
            org=alert.org,
            source=SOURCE,
            at=raised_at,
            payload=alert.payload(muted=muted),
            parts=_raised_parts(alert.org, alert.alert_id),
            cause=alert.cause,
        )

    def _emit_end(
        self,
        org: str,
        alert_id: str,
        about: dict[str, str],
        reason: str,
        raised_at: str,
        observed: float | None,
        cause: StoredEvent | None,
    ) -> None:
        at = clock.utc_text(self._now())
        muted = self._mutes.until(org, about["kind"], about["ruleId"], about["subject"], self._now())
        payload: dict[str, Any] = {
            **about,
            "alertId": alert_id,
            "reason": reason,
            "raisedAt": raised_at,
            "endedAt": max(at, raised_at),
            "muted": muted is not None,
        }
        if observed is not None:
            payload["observed"] = observed
        parts = (ENDED, org, alert_id)
        self._emitter.emit(
            [stated(ENDED, org=org, source=SOURCE, at=at, payload=payload, parts=parts, cause=cause)]
        )


def raised_id(org: str, alert_id: str) -> str:
    """The id of the event that raised an alert."""
    return derived_ids.event_id(*_raised_parts(org, alert_id))


def _raised_parts(org: str, alert_id: str) -> tuple[str, str, str]:
    return RAISED, org, alert_id


def _about(kind: str, rule: str, subject: str, row: Item) -> dict[str, str]:
    """What `alert.ended` says of the alert itself."""
    kept = {name: row[name]["S"] for name in ("severity", "owner")}
    return {"kind": kind, "ruleId": rule, "subject": subject[:1024], **kept}


def _storm_row(storm: Alert, kind: str, hour: str, until: datetime, raised_at: str) -> Item:
    end = clock.parse(f"{hour}:00:00Z") + _HOUR
    texts = {
        "tileKey": f"{clock.utc_micros(end)}#{keys.join(storm.org, kind, storm.rule)}",
        "orgId": storm.org,
        "kind": kind,
        "rule": storm.rule,
        "hour": hour,
        "alertId": storm.alert_id,
        "raisedAt": raised_at,
        "severity": storm.severity,
        "owner": storm.owner,
    }
    expires = {"N": str(clock.epoch(until + _KEPT))}
    return {"metricKey": _STORMS, "expiresAt": expires, **{name: {"S": text} for name, text in texts.items()}}


def _rate(org: str, kind: str, rule: str, hour: str) -> Item:
    return _key(org, _RATE, kind, rule, tile=hour)


def _admitted(row: Item | None) -> frozenset[str]:
    """The alerts that a row of a rule's hour admits."""
    return frozenset((row or {}).get("admitted", {}).get("SS", ()))


def _held(org: str, kind: str, rule: str, hour: str, alert_id: str) -> Item:
    return _key(org, _HELD, kind, rule, hour, tile=alert_id)


def _episode(org: str, kind: str, rule: str, subject: str) -> Item:
    # A key has 2,048 bytes.
    if len(subject.encode()) > _LONGEST_SUBJECT:
        subject = hashlib.sha256(subject.encode()).hexdigest()
    return _key(org, _EPISODE, kind, rule, subject, tile=_OPEN)


def _key(*parts: str, tile: str) -> Item:
    return {"metricKey": {"S": keys.join(*parts)}, "tileKey": {"S": tile}}


def _hour(moment: datetime) -> str:
    """`2026-11-30T12`."""
    return clock.utc_micros(moment)[:13]
