"""Refused events mended: replayed with a patch, tried, discarded."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

import orjson

from millrace.api import params
from millrace.core import clock, exact_json
from millrace.core.http import Problem, Request
from millrace.intake.enrich import Origin
from millrace.intake.replay import EVENTS_PER_CALL, BadPatchError, Replayer
from millrace.quarantine.entry import KEPT_DAYS, is_id
from millrace.quarantine.store import Filter, QuarantineStore

BYTES = 64 * 1024
_FILTERS = ("eventType", "code", "from", "to", "quarantineId")
_ALL = {"all": True}


class RepairsApi:
    """Answers of `POST /v1/quarantine/replay` and `/discard`."""

    def __init__(self, replayer: Replayer, quarantine: QuarantineStore) -> None:
        self._replayer, self._quarantine = replayer, quarantine

    def replay(self, request: Request) -> dict[str, Any]:
        """Replays what matches, each with the id it came with; `dryRun` changes nothing."""
        asked = _body(request, ("filter", "patch", "dryRun", "cursor"))
        patch, dry_run = asked.get("patch"), asked.get("dryRun", False)
        patch = [] if patch is None else patch
        if not isinstance(patch, list) or not isinstance(dry_run, bool):
            raise Problem(HTTPStatus.BAD_REQUEST, "patch is an array (RFC 6902), dryRun is true or false")
        caller = request.authenticated
        cursor = _cursor(request, asked, {"patch": patch, "dryRun": dry_run})
        origin = Origin(caller.org, caller.principal, request.request_id, clock.now(), kind="replay")
        try:
            report = self._replayer.replay(_filter(asked, cursor), patch, origin, dry_run=dry_run)
        except BadPatchError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
        after = report.pop("after")
        return {**report, "cursor": cursor.write(after) if after is not None else None}

    def discard(self, request: Request) -> dict[str, Any]:
        """Closes what matches without replaying it, at most 500; it stays readable until its time is over."""
        asked = _body(request, ("filter", "cursor"))
        caller, cursor = request.authenticated, _cursor(request, asked, {})
        wanted, at = _filter(asked, cursor), clock.now()
        begun: list[None] = []

        def audit(state: str, counts: dict[str, Any]) -> None:
            detail = {"filter": wanted.to_json(), "state": state, **counts}
            self._quarantine.audit(caller.org, "discard", caller.principal, request.request_id, detail, at)

        def begin() -> None:
            # Before the first write, so that none is made that is written up nowhere.
            if not begun:
                audit("begun", {})
                begun.append(None)

        done = self._quarantine.discard(caller.org, wanted, EVENTS_PER_CALL, caller.principal, begin)
        report = {"matched": done.matched, "discarded": done.discarded, "more": done.after is not None}
        if begun:
            audit("done", report)
        return {**report, "cursor": cursor.write(done.after) if done.after is not None else None}


def _body(request: Request, known: tuple[str, ...]) -> dict[str, Any]:
    params.only(request, ())
    if len(request.body) > BYTES:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body holds at most {BYTES} bytes")
    try:
        asked, is_long = exact_json.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is no JSON") from error
    if is_long:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "an integer beyond 64 bits cannot be kept exactly: send it as text"
        )
    if not isinstance(asked, dict) or set(asked) - set(known):
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body is an object with {', '.join(known)}")
    return asked


def _cursor(request: Request, asked: dict[str, Any], more: dict[str, Any]) -> params.Cursor:
    query = {"call": request.route, "filter": asked.get("filter"), **more}
    return params.Cursor(request.authenticated.org, query)


def _filter(asked: dict[str, Any], cursor: params.Cursor) -> Filter:
    """What is meant. Whoever means everything says so: a filter that is not there, or empty, is a slip.

    Raises:
        Problem: 400, there is no filter, or it is none.
    """
    given, after = asked.get("filter"), asked.get("cursor")
    if not given or not isinstance(given, dict):
        raise Problem(
            HTTPStatus.BAD_REQUEST, 'filter says which refused events are meant; all of them is {"all": true}'
        )
    if "all" in given and (given.keys() != _ALL.keys() or given["all"] is not True):
        raise Problem(HTTPStatus.BAD_REQUEST, 'all of them is {"all": true}, with nothing beside it')
    given = {} if "all" in given else given
    if unknown := sorted(set(given) - set(_FILTERS)):
        raise Problem(HTTPStatus.BAD_REQUEST, f"unknown in filter: {', '.join(unknown)}"[:200])
    if not all(isinstance(value, str) and value for value in given.values()):
        raise Problem(HTTPStatus.BAD_REQUEST, "a filter's values are texts, none of them empty")
    if after is not None and not isinstance(after, str):
        raise Problem(HTTPStatus.BAD_REQUEST, "cursor is the text that the call before gave")
    since, until = (
        params.read_moment(given[name], name) if name in given else None for name in ("from", "to")
    )
    return Filter(
        since=since or clock.now() - timedelta(days=KEPT_DAYS),
        until=until or clock.now() + timedelta(minutes=1),
        event_type=given.get("eventType"),
        code=given.get("code"),
        only=given.get("quarantineId"),
        after=cursor.position(after, is_id) if after is not None else None,
    )
