"""Consents of a person over the API: read, given, withdrawn. Each change is in the audit before it holds, and an event after.

A call that is made again, because it got no answer, changes nothing and emits the same event: the statement that was kept
first stands, and its moment makes the event's id.
"""

from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from millrace.api.route import Call
from millrace.core import audit, clock
from millrace.core.errors import RetryableError
from millrace.core.http import Caller, Problem
from millrace.core.table import Table
from millrace.eventstore.emit import Emitter, PlatformEvent, stated
from millrace.privacy import identities
from millrace.privacy.consent import WITHDRAWABLE, Purpose, Statement, holds, said
from millrace.privacy.person import of_user
from millrace.privacy.subjects import ERASED, ERASING, Subjects

ACTION = "consents.change"
SOURCE = "millrace.privacy"
GRANTED, WITHDRAWN = "consent.granted", "consent.withdrawn"


class ConsentsApi:
    """Answers of `/v1/subjects/{id}/consents`; the id is the user's, as events have it."""

    def __init__(
        self, subjects: Subjects, metadata: Table, purposes: Mapping[str, Purpose], emitter: Emitter
    ) -> None:
        """`metadata`: where the audit is; `emitter`: appends the events of consents."""
        self._subjects, self._metadata, self._purposes = subjects, metadata, purposes
        self._emitter = emitter

    def list(self, call: Call) -> dict[str, Any]:
        """Every purpose, and whether it holds for the person; of who is not known, by default.

        Raises:
            Problem: 400, the person is named by a number.
            MillraceError: a store did not answer.
        """
        name = of_user(self._user(call))
        person = self._subjects.known(call.org, [name]).get(name)
        consents = {} if person is None else person.consents
        return {"items": [_shown(one, said(consents, one.name)) for one in self._purposes.values()]}

    def put(self, call: Call) -> dict[str, Any]:
        """Records what a person has said; the newest statement counts, in every function within a minute.

        What was said before already stays as it was said then.

        Raises:
            Problem: 404, there is no such purpose; 409, the person is being erased; 400, it rests on no consent, the version is not one that there was, or the
                person is named by a number.
            MillraceError: a store did not answer, and the statement may hold or not; the same call goes on.
        """
        purpose = self._purposes.get(call.values["purpose"])
        if purpose is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such purpose")
        granted, version = call.body["granted"], call.body.get("version", purpose.version)
        if purpose.legal_basis not in WITHDRAWABLE:
            raise Problem(
                HTTPStatus.BAD_REQUEST, f"{purpose.name} rests on {purpose.legal_basis}, not on consent"
            )
        if version > purpose.version:
            raise Problem(
                HTTPStatus.BAD_REQUEST, f"the newest version of {purpose.name} is {purpose.version}"
            )
        caller, user = call.request.authenticated, self._user(call)
        statement = Statement(granted, version, clock.utc_text(clock.now()), caller.principal)
        name = of_user(user)
        person = self._subjects.known_or_new(call.org, [name]).get(name)
        if person is not None and person.state == ERASED:
            # Whoever says something after their erasure is a new person.
            person = self._subjects.returned(call.org, [name]).get(name)
        if person is not None and person.state == ERASING:
            raise Problem(
                HTTPStatus.CONFLICT, "the person is being erased: what they say now would go with the rest"
            )
        if person is None:
            raise RetryableError("the person could not be written")
        detail = {
            "subject": str(person.subject),
            "purpose": purpose.name,
            "granted": granted,
            "version": version,
        }
        audit.write(self._metadata, call.org, ACTION, caller.principal, detail, call.request.request_id)
        kept = self._subjects.put_consent(call.org, name, purpose.name, statement.to_item())
        if kept is None:
            raise RetryableError("the person was erased meanwhile")
        held = Statement.of_item(kept)
        self._emitter.emit([_event(call.org, person.subject, purpose, held, caller)])
        return _shown(purpose, held)

    def _user(self, call: Call) -> str:
        """The id of a call. Under a number there would be a second person, of whom no event tells."""
        user: str = call.values["id"]
        if self._subjects.ids(call.org, [user])[user] == identities.NOBODY:
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                "this is the number that the platform gave a user: name the user by the id that events are sent with",
            )
        return user


def _event(org: str, subject: int, purpose: Purpose, held: Statement, caller: Caller) -> PlatformEvent:
    event_type, number = GRANTED if held.granted else WITHDRAWN, str(subject)
    return stated(
        event_type,
        org=org,
        source=SOURCE,
        at=held.at,
        payload={
            "userId": number,
            "purpose": purpose.name,
            "purposeVersion": held.version,
            # A user's name is an address.
            "recordedBy": caller.principal if caller.kind == "key" else caller.id,
        },
        parts=(event_type, org, number, purpose.name, str(held.version), held.at),
        user=number,
    )


def _shown(purpose: Purpose, statement: Statement | None) -> dict[str, Any]:
    return {
        "purpose": purpose.name,
        "version": purpose.version,
        "description": purpose.description,
        "legalBasis": purpose.legal_basis,
        "holds": holds(purpose, statement),
        "statement": None if statement is None else asdict(statement),
    }
