"""Alerts: listed, acknowledged, muted. They speak of users by their ids; what is stored has numbers of people."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import orjson

from millrace.alerts.alert import ACKNOWLEDGED, SOURCE
from millrace.alerts.mutes import Mute, Mutes
from millrace.alerts.raising import raised_id
from millrace.alerts.rows import STATES, USER, AlertRows
from millrace.api.route import Call
from millrace.api.user_ids import UserIds
from millrace.core import audit, clock, keys, sizes
from millrace.core.http import Problem
from millrace.core.table import Table
from millrace.eventstore import order
from millrace.eventstore.codec import Codec
from millrace.eventstore.emit import Emitter, stated
from millrace.eventstore.row import StoredEvent, from_item
from millrace.privacy import identities

# Whoever mutes for longer has no use for the rule.
LONGEST_MUTE = timedelta(days=366)
# What of an alert may name users.
_TOLD = ("subject", "title", "message")


class AlertsApi:
    """Answers of `GET /v1/alerts`."""

    def __init__(self, rows: AlertRows, mutes: Mutes, user_ids: UserIds) -> None:
        self._rows, self._mutes, self._user_ids = rows, mutes, user_ids

    def list(self, call: Call) -> dict[str, Any]:
        """Alerts, those raised last first."""
        limit, given = call.values["limit"], call.values
        states = [given["state"]] if "state" in given else STATES
        after = call.after(order.is_position)
        since, until, user = (given.get(name) for name in ("from", "to", "userId"))
        users = None if user is None else self._user_ids.keys(call.org, user)
        found = self._rows.listed(call.org, states, since, until, after, limit + 1, users)
        page, more = sizes.fitting(found, limit, lambda placed: orjson.dumps(placed[1]))
        items = self.shown(call.org, [item for _, item in page], clock.now())
        return {"items": items, "cursor": call.cursor(page[-1][0] if more else None)}

    def shown(self, org: str, alerts: Sequence[dict[str, Any]], now: datetime) -> Sequence[dict[str, Any]]:
        """Alerts as answers have them, in order: with users' ids, and with the moment until which each is muted now."""
        muted = [{**alert, "mutedUntil": self._muted_until(org, alert, now)} for alert in alerts]
        whom = [identities.named(alert.pop(USER), alert["subject"]) for alert in muted]
        return self._user_ids.told(org, muted, whom, _TOLD)

    def _muted_until(self, org: str, alert: dict[str, Any], now: datetime) -> str | None:
        until = self._mutes.until(org, alert["kind"], alert["rule"] or "", alert["subject"] or "", now)
        return None if until is None else clock.utc_text(until)


class AlertChangesApi:
    """Answers of `POST /v1/alerts/{id}/acknowledge` and `/mute`."""

    def __init__(
        self,
        rows: AlertRows,
        mutes: Mutes,
        emitter: Emitter,
        events: Table,
        metadata: Table,
        codec: Codec,
        user_ids: UserIds,
    ) -> None:
        self._rows, self._mutes, self._emitter, self._metadata = rows, mutes, emitter, metadata
        self._events, self._codec = events, codec
        self._reads = AlertsApi(rows, mutes, user_ids)

    def acknowledge(self, call: Call) -> dict[str, Any]:
        """Says that somebody looks after an alert; one that is acknowledged or has ended stays as it is."""
        alert, now = self._alert(call), clock.now()
        if alert["state"] == "raised":
            self._audit(call, "alerts.acknowledge", now, {"note": call.body.get("note")})
            self._acknowledge(call, alert, now)
            alert = self._alert(call)
        return self._reads.shown(call.org, [alert], now)[0]

    def mute(self, call: Call) -> dict[str, Any]:
        """Has nobody told of alerts like this one until a moment; one that has passed ends the mute."""
        alert, now, given = self._alert(call), clock.now(), call.body
        until: datetime = given["until"]
        if until > now + LONGEST_MUTE:
            raise Problem(HTTPStatus.BAD_REQUEST, f"until must lie within {LONGEST_MUTE.days} days")
        # What the alert itself does not name, no other can have in common with it.
        alike = {name: alert[name] for name in given["alike"] if alert[name]}
        if not alike:
            raise Problem(HTTPStatus.BAD_REQUEST, "the alert has none of what is to be alike")
        self._audit(
            call,
            "alerts.mute",
            now,
            {"until": clock.utc_text(until), "alike": alike, "reason": given["reason"]},
        )
        mute = Mute(
            until=clock.as_utc(until),
            by=call.request.authenticated.principal,
            reason=given["reason"],
            **alike,
        )
        self._mutes.put(call.org, mute, now)
        return self._reads.shown(call.org, [alert], now)[0]

    def _alert(self, call: Call) -> dict[str, Any]:
        alert = self._rows.get(call.org, call.values["id"])
        if alert is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such alert")
        return alert

    def _acknowledge(self, call: Call, alert: dict[str, Any], now: datetime) -> None:
        at = clock.utc_text(now)
        payload = {
            "alertId": alert["alertId"],
            "kind": alert["kind"],
            "severity": alert["severity"],
            "acknowledgedBy": call.request.authenticated.principal,
            "acknowledgedAt": at,
        }
        others = {"ruleId": alert["rule"], "subject": alert["subject"], "owner": alert["owner"]}
        others["note"] = call.body.get("note")
        payload |= {name: value for name, value in others.items() if value}
        event = stated(
            ACKNOWLEDGED,
            org=call.org,
            source=SOURCE,
            at=at,
            payload=payload,
            parts=(ACKNOWLEDGED, call.org, alert["alertId"]),
            # So that it is found with what led to the alert.
            cause=self._event(call.org, raised_id(call.org, alert["alertId"])),
        )
        self._emitter.emit([event])
        # The stream brings it, too, but whoever asks next sees it already. Of two at once, the first is the stored one.
        stored = self._event(call.org, event.event_id)
        if stored is not None:
            self._rows.apply(stored)

    def _event(self, org: str, event_id: str) -> StoredEvent | None:
        key = {"eventId": {"S": keys.event(org, event_id)}}
        row = self._events.get(key, consistent=True, doing="read event of alert")
        return None if row is None else from_item(row, self._codec)

    def _audit(self, call: Call, action: str, at: datetime, detail: dict[str, Any]) -> None:
        # Before the first write, so that none is made without an audit row.
        who = call.request.authenticated
        audit.write(
            self._metadata,
            call.org,
            action,
            who.principal,
            {"alertId": call.values["id"], **detail},
            call.request.request_id,
            at=at,
        )
