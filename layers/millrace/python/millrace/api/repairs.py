"""Refused events mended: replayed with a patch, tried, discarded."""

from http import HTTPStatus
from typing import Any

from millrace.access.visibility import PERSONAL
from millrace.api.quarantine import refused
from millrace.api.route import Call
from millrace.core import clock
from millrace.core.http import Problem
from millrace.intake.enrich import Origin
from millrace.intake.replay import EVENTS_PER_CALL, BadPatchError, Replayer
from millrace.quarantine.entry import is_id
from millrace.quarantine.store import Filter, QuarantineStore


class RepairsApi:
    """Answers of `POST /v1/quarantine/replay` and `/discard`."""

    def __init__(self, replayer: Replayer, quarantine: QuarantineStore) -> None:
        self._replayer, self._quarantine = replayer, quarantine

    def replay(self, call: Call) -> dict[str, Any]:
        """Replays what matches, each with the id it came with; `dryRun` changes nothing."""
        caller, patch = call.request.authenticated, call.body.get("patch") or []
        origin = Origin(caller.org, caller.principal, call.request.request_id, clock.now(), kind="replay")
        try:
            report = self._replayer.replay(
                _filter(call), patch, origin, dry_run=call.body["dryRun"], personal=PERSONAL in caller.scopes
            )
        except BadPatchError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
        return {**report, "cursor": call.cursor(report.pop("after"))}

    def discard(self, call: Call) -> dict[str, Any]:
        """Closes what matches without replaying it, at most 500; it stays readable until its time is over."""
        caller, chosen, at = call.request.authenticated, _filter(call), clock.now()
        begun: list[None] = []

        def audit(state: str, counts: dict[str, Any]) -> None:
            detail = {"filter": chosen.to_json(), "state": state, **counts}
            request_id = call.request.request_id
            self._quarantine.audit(caller.org, "discard", caller.principal, request_id, detail, at)

        def begin() -> None:
            # Before the first write, so that none is made without an audit row.
            if not begun:
                audit("begun", {})
                begun.append(None)

        done = self._quarantine.discard(caller.org, chosen, EVENTS_PER_CALL, caller.principal, begin)
        report = {"matched": done.matched, "discarded": done.discarded, "more": done.after is not None}
        if begun:
            audit("done", report)
        return {**report, "cursor": call.cursor(done.after)}


def _filter(call: Call) -> Filter:
    """Which refused events are meant. Whoever means all of them says so: a filter that is absent or empty is a slip."""
    return refused(call.body["filter"], call.after(is_id))
