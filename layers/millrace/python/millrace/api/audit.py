"""The audit, for those who may read it."""

from http import HTTPStatus
from typing import Any

import orjson

from millrace.api.route import Call
from millrace.api.user_ids import UserIds
from millrace.audit.reading import AuditReader, Wanted, is_position
from millrace.core import audit, clock, sizes
from millrace.core.audit_actions import ACTIONS
from millrace.core.http import Problem
from millrace.core.table import Table
from millrace.privacy import identities

READ = "audit.read"


class AuditApi:
    """Answers of `GET /v1/audit`."""

    def __init__(self, metadata: Table, user_ids: UserIds) -> None:
        """`metadata`: where the audit is."""
        self._metadata, self._reader, self._user_ids = metadata, AuditReader(metadata), user_ids

    def list(self, call: Call) -> dict[str, Any]:
        """Lines, newest first; that they were read is a line itself, one for all pages.

        Raises:
            Problem: 400, there is no such action.
            MillraceError: a store did not answer.
        """
        given, limit = call.values, call.values["limit"]
        if given.get("action") is not None and given["action"] not in ACTIONS:
            raise Problem(
                HTTPStatus.BAD_REQUEST, "action is none of the audit's: its documentation lists them"
            )
        after = call.after(is_position)
        subject = given.get("subject")
        # Lines have numbers alone, and whoever was erased is known by the number; an id that somebody has is an id.
        number = None if subject is None else self._user_ids.number(call.org, subject) or subject
        wanted = Wanted(
            given.get("from"), given.get("to"), given.get("action"), given.get("principal"), number
        )
        if after is None:
            self._tell(call, wanted)
        page = self._reader.page(call.org, wanted, after, limit)
        items, more = sizes.fitting(page.items, limit, orjson.dumps)
        if more:
            # The lines that did not fit are those of the next page.
            page = self._reader.page(call.org, wanted, after, len(items))
        return {"items": items, "cursor": call.cursor(page.after)}

    def _tell(self, call: Call, wanted: Wanted) -> None:
        who = call.request.authenticated
        times = {
            name: clock.utc_text(moment)
            for name, moment in (("from", wanted.since), ("to", wanted.until))
            if moment
        }
        others = {"action": wanted.action, "principal": wanted.principal}
        detail: dict[str, Any] = times | {name: value for name, value in others.items() if value}
        if wanted.subject is not None:
            # The id of somebody who is not known would be a name in the audit.
            detail["subject"] = wanted.subject if identities.is_number(wanted.subject) else None
        audit.write(self._metadata, call.org, READ, who.principal, detail, call.request.request_id)
