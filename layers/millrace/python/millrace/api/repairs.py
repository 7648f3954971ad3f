"""Refused events mended: replayed with a patch, tried, discarded."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import orjson

from millrace.core import clock
from millrace.core.http import Problem, Request
from millrace.intake.enrich import Origin
from millrace.intake.replay import EVENTS_PER_CALL, BadPatchError, Replayer
from millrace.quarantine.entry import KEPT_DAYS
from millrace.quarantine.store import Filter, QuarantineStore

BYTES = 64 * 1024
_FILTERS = ("eventType", "code", "from", "to", "quarantineId")


class RepairsApi:
    """Answers of `POST /v1/quarantine/replay` and `/discard`."""

    def __init__(self, replayer: Replayer, quarantine: QuarantineStore) -> None:
        self._replayer, self._quarantine = replayer, quarantine

    def replay(self, request: Request) -> dict[str, Any]:
        """Replays what matches, each with the id it came with; `dryRun` changes nothing."""
        asked = _body(request, ("filter", "patch", "dryRun"))
        patch, dry_run = asked.get("patch") or [], asked.get("dryRun", False)
        if not isinstance(patch, list) or not isinstance(dry_run, bool):
            raise Problem(HTTPStatus.BAD_REQUEST, "patch is an array (RFC 6902), dryRun is true or false")
        caller = request.authenticated
        origin = Origin(caller.org, caller.principal, request.request_id, clock.now(), kind="replay")
        try:
            return self._replayer.replay(_filter(asked), patch, origin, dry_run=dry_run)
        except BadPatchError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error

    def discard(self, request: Request) -> dict[str, Any]:
        """Closes what matches without replaying it, at most 500; it stays readable until its time is over."""
        asked = _body(request, ("filter",))
        caller = request.authenticated
        matched, discarded, more = self._quarantine.discard(
            caller.org, _filter(asked), EVENTS_PER_CALL, caller.principal
        )
        report = {"matched": matched, "discarded": discarded, "more": more}
        if discarded:
            self._quarantine.audit(
                caller.org,
                "discard",
                caller.principal,
                request.request_id,
                {**report, "filter": asked.get("filter", {})},
            )
        return report


def _body(request: Request, known: tuple[str, ...]) -> dict[str, Any]:
    if len(request.body) > BYTES:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body holds at most {BYTES} bytes")
    try:
        asked = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is no JSON") from error
    if not isinstance(asked, dict) or set(asked) - set(known):
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body is an object with {', '.join(known)}")
    return asked


def _filter(asked: dict[str, Any]) -> Filter:
    given = asked.get("filter", {})
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise Problem(HTTPStatus.BAD_REQUEST, "filter is an object of texts")
    if unknown := sorted(set(given) - set(_FILTERS)):
        raise Problem(HTTPStatus.BAD_REQUEST, f"unknown in filter: {', '.join(unknown)}"[:200])
    return Filter(
        since=_moment(given, "from") or clock.now() - timedelta(days=KEPT_DAYS),
        until=_moment(given, "to") or clock.now() + timedelta(minutes=1),
        event_type=given.get("eventType"),
        code=given.get("code"),
        only=given.get("quarantineId"),
    )


def _moment(given: dict[str, str], name: str) -> datetime | None:
    if name not in given:
        return None
    try:
        return clock.parse(given[name])
    except (ValueError, OverflowError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"{name} must be ISO-8601 with an offset") from error
