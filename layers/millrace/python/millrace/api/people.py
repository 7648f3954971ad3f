"""What people may ask for: erased, exported, restricted, corrected; what forbids it; and until when it has to be done."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import wraps
from http import HTTPStatus
from itertools import islice
from typing import Any

import orjson

from millrace.api.route import Call
from millrace.core import audit, clock
from millrace.core.http import JSON, Document, Problem
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.people.asking import (
    EXPORT_KEPT,
    Asking,
    BeingErasedError,
    HeldError,
    RestrictedError,
    UnknownPersonError,
)
from millrace.people.certificate import key_of
from millrace.people.exporting import export_key
from millrace.people.holds import Holds
from millrace.people.requests import DONE, Requests, SubjectRequest
from millrace.people.rows import PersonRow
from millrace.people.signing import Signer

LINK = timedelta(hours=1)
Answer = Callable[["PeopleApi", Call], Any]
Users = Callable[[str, Iterable[int]], Mapping[int, str]]
"""A tenant and numbers of people → the ids of those who may be shown."""


def _refusing(answer: Answer) -> Answer:
    @wraps(answer)
    def call(self: "PeopleApi", given: Call) -> Any:
        try:
            return answer(self, given)
        except UnknownPersonError as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
        except HeldError as error:
            sentence = f"a legal hold forbids it: {error}"
            raise Problem(HTTPStatus.CONFLICT, sentence) from error
        except (BeingErasedError, RestrictedError) as error:
            raise Problem(HTTPStatus.CONFLICT, str(error)) from error

    return call


class PeopleApi:
    """Answers of the calls under `/v1/subjects`."""

    def __init__(
        self,
        asking: Asking,
        holds: Holds,
        requests: Requests,
        metadata: Table,
        lake: Objects,
        link: Callable[[str, int], str],
        signer: Signer,
        users: Users,
    ) -> None:
        """Makes no call. `link` gives the address of an object for so many seconds, `users` the ids of people of a tenant."""
        self._asking, self._holds, self._requests = asking, holds, requests
        self._metadata, self._lake, self._link, self._signer = metadata, lake, link, signer
        self._users = users

    @_refusing
    def erase(self, call: Call) -> Document:
        """Begins the erasure of a person; asked again, the answer is the one that is under way or done."""
        reason = call.values["reason"]
        self._audit_of(call, "subjects.erase", {"reason": reason})
        request = self._asking.erase(call.org, call.values["id"], _by(call), reason)
        return _accepted(request)

    @_refusing
    def erasure(self, call: Call) -> dict[str, Any]:
        """How far the erasure of a person is; with the certificate once it is done."""
        request = self._asking.erasure(call.org, call.values["id"])
        body = None
        if request.state == DONE:
            body = self._lake.find(key_of(call.org, request.request_id), doing="read certificate")
        steps = [name for name in ("forget", "remove", "verify") if name in request.found]
        certificate = None if body is None else orjson.loads(body)
        return {**request.to_json(clock.now()), "steps": steps, "certificate": certificate}

    @_refusing
    def export(self, call: Call) -> dict[str, Any]:
        """A link to what is kept of a person; the export is made first, and the link is null until it is."""
        _require_sight(call)
        return self._exported(
            call, self._asking.export(call.org, call.values["id"], _by(call), call.values["reason"])
        )

    @_refusing
    def export_anew(self, call: Call) -> Document:
        """Has an export made, whatever others there are; while one is under way, the answer is that one."""
        _require_sight(call)
        reason = call.body["reason"]
        self._audit_of(call, "subjects.export", {"step": "ask", "reason": reason})
        request = self._asking.export(call.org, call.values["id"], _by(call), reason, anew=True)
        return Document(self._exported(call, request), JSON, HTTPStatus.ACCEPTED)

    def _exported(self, call: Call, request: SubjectRequest) -> dict[str, Any]:
        link, now = None, clock.now()
        if request.state == DONE:
            told = {"step": "link", "requestId": request.request_id, "subject": request.subject}
            self._audit(call, "subjects.export", told)
            link = self._link(export_key(call.org, request), int(LINK.total_seconds()))
        return {
            **request.to_json(now),
            "link": link,
            "linkEndsAt": None if link is None else clock.utc_text(now + LINK),
            "deletedAt": clock.utc_text(clock.parse(request.received_at) + EXPORT_KEPT),
            "events": request.found.get("export", {}).get("events"),
        }

    @_refusing
    def restrict(self, call: Call) -> dict[str, Any]:
        """Has nobody see values of a person."""
        reason = call.body["reason"]
        self._audit_of(call, "subjects.restrict", {"restricted": True, "reason": reason})
        request = self._asking.restrict(call.org, call.values["id"], _by(call), reason, restricted=True)
        return _shown(request)

    @_refusing
    def unrestrict(self, call: Call) -> dict[str, Any]:
        """Has values of a person seen again by who may."""
        self._audit_of(call, "subjects.restrict", {"restricted": False})
        self._asking.restrict(call.org, call.values["id"], _by(call), "", restricted=False)
        return {"restricted": False}

    @_refusing
    def rectify(self, call: Call) -> Document:
        """Keeps that a person asks for a correction."""
        reason = call.body["reason"]
        self._audit_of(call, "subjects.rectify", {"reason": reason})
        request = self._asking.rectify(call.org, call.values["id"], _by(call), reason)
        return _accepted(request)

    @_refusing
    def hold(self, call: Call) -> dict[str, Any]:
        """Forbids that a person is erased."""
        reason = call.body["reason"]
        row = self._audit_of(call, "subjects.hold", {"held": True, "reason": reason})
        held = self._holds.set(call.org, row, reason, _by(call))
        if held is None:
            raise Problem(HTTPStatus.CONFLICT, "the person is being erased, or was")
        return held

    @_refusing
    def lift(self, call: Call) -> dict[str, Any]:
        """Ends a hold."""
        row = self._audit_of(call, "subjects.hold", {"held": False})
        return {"lifted": self._holds.lift(call.org, row)}

    def holds(self, call: Call) -> dict[str, Any]:
        """Who may not be erased, and why."""
        limit = call.values["limit"]
        found = list(islice(self._holds.listed(call.org, call.after()), limit + 1))
        cursor = call.cursor(found[limit - 1]["subject"] if len(found) > limit else None)
        return {"items": self._named(call, found[:limit]), "cursor": cursor}

    def requests(self, call: Call) -> dict[str, Any]:
        """What was asked for, the newest first."""
        limit, now = call.values["limit"], clock.now()
        wanted = {name: call.values[name] for name in ("state", "kind") if name in call.values}
        listed = (one.to_json(now) for one in self._requests.listed(call.org, call.after()))
        matching = (one for one in listed if all(one[name] == value for name, value in wanted.items()))
        found = list(islice(matching, limit + 1))
        cursor = call.cursor(found[limit - 1]["requestId"] if len(found) > limit else None)
        return {"items": self._named(call, found[:limit]), "cursor": cursor}

    def _named(self, call: Call, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Items with the id of the person in `user`: null for who may see no values, for who was erased or is restricted."""
        users = self._users(call.org, {int(one["subject"]) for one in items}) if _has_sight(call) else {}
        return [{**one, "user": users.get(int(one["subject"]))} for one in items]

    def done(self, call: Call) -> dict[str, Any]:
        """Says that a correction is made."""
        request = self._requests.get(call.org, call.values["requestId"])
        if request is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such request")
        if request.kind != "rectify":
            raise Problem(
                HTTPStatus.CONFLICT, "only a correction is said to be made; the platform does the rest"
            )
        done = {
            "step": "done",
            "requestId": request.request_id,
            "subject": request.subject,
            "note": call.body["note"],
        }
        self._audit(call, "subjects.rectify", done)
        self._requests.end(call.org, request.request_id, DONE, clock.now())
        ended = self._requests.get(call.org, request.request_id)
        return _shown(ended or request)

    def signing_key(self, _: Call) -> dict[str, Any]:
        """The key that verifies certificates."""
        key = self._signer.public_key()
        return {"keyId": key.key_id, "publicKey": key.pem, "fingerprint": key.fingerprint}

    def _audit_of(self, call: Call, action: str, detail: dict[str, Any]) -> PersonRow:
        """Writes a line about the person whom a call names, by number; of one who was erased, by that request."""
        row = self._asking.person(call.org, call.values["id"])
        who = {"subject": str(row.subject)} if row.subject else {"requestId": row.erasure}
        self._audit(call, action, {**detail, **who})
        return row

    def _audit(self, call: Call, action: str, detail: dict[str, Any]) -> None:
        # Before the first write, so that none is made without a line. The name of the person is in none.
        audit.write(self._metadata, call.org, action, _by(call), detail, call.request.request_id)


def _has_sight(call: Call) -> bool:
    """Whether the caller may see values, which a Privacy Officer may by the right to detokenise."""
    return not call.request.authenticated.scopes.isdisjoint(("personal:read", "personal:detokenise"))


def _require_sight(call: Call) -> None:
    if not _has_sight(call):
        call.request.authenticated.require("personal:read")


def _by(call: Call) -> str:
    return call.request.authenticated.principal


def _shown(request: SubjectRequest | None) -> dict[str, Any]:
    return {} if request is None else request.to_json(clock.now())


def _accepted(request: SubjectRequest) -> Document:
    return Document(_shown(request), JSON, HTTPStatus.ACCEPTED)
