"""Takes requests: keeps them, has the person blocked where that is asked for, and starts the machine.

Each step can be made again: a caller who got no answer asks again, and gets the request that is under way.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from millrace.core import clock
from millrace.core.errors import PermanentError, RetryableError
from millrace.people.requests import DONE, FAILED, OPEN, Kind, Requests, SubjectRequest, binding, due, new_id
from millrace.people.rows import PeopleRows, PersonRow
from millrace.privacy import seal
from millrace.privacy.subjects import ERASED, ERASING, RESTRICTED

# An export is fetched within a week; then it is made anew.
EXPORT_KEPT = timedelta(days=7)
_TRIES = 3


class UnknownPersonError(PermanentError):
    """No event that was taken has named such a person."""


class HeldError(PermanentError):
    """The person may not be erased; the message says why."""


class BeingErasedError(PermanentError):
    """The person is being erased, or was."""


class RestrictedError(PermanentError):
    """Values of the person are shown to nobody until the restriction ends."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Takes requests of people.

    Attributes:
        people: their items.
        requests: where requests are kept.
        start: starts the machine for a request of a tenant, unless it runs for it.
    """

    people: PeopleRows
    requests: Requests
    start: Callable[[str, SubjectRequest], None]

    def person(self, org: str, user: str) -> PersonRow:
        """The person whom events call so.

        Raises:
            UnknownPersonError: there is none.
        """
        row = self.people.find(org, user)
        if row is None:
            raise UnknownPersonError("no event has named such a person")
        return row

    def erase(self, org: str, user: str, by: str, reason: str) -> SubjectRequest:
        """The request to erase a person: a new one, or the one that is under way or done.

        Raises:
            UnknownPersonError: there is no such person.
            HeldError: a hold forbids it.
            MillraceError: a store did not answer; the same call goes on.
        """
        for _ in range(_TRIES):
            row = self.person(org, user)
            if row.state in (ERASING, ERASED):
                return self._erased(org, user, row, by, reason)
            if row.held is not None:
                raise HeldError(row.held["reason"])
            at = clock.now()
            request = self._new(org, user, row, "erase", by, reason, new_id(at), at)
            # Blocked first: a call that ends here is made again, and keeps the request then (`_erased`).
            if self.people.block(row, request.request_id, at):
                self.requests.open(org, request)
                self.start(org, request)
                return request
        raise RetryableError("others change the same person at this moment")

    def erasure(self, org: str, user: str) -> SubjectRequest:
        """The last request to erase whoever has or had this name.

        Raises:
            UnknownPersonError: there was none.
        """
        row = self.person(org, user)
        request = self.requests.get(org, row.erasure) if row.erasure else None
        if request is None:
            raise UnknownPersonError("nobody has asked to erase this person")
        return request

    def export(self, org: str, user: str, by: str, reason: str, *, anew: bool = False) -> SubjectRequest:
        """The request for an export: the last one, unless that is too old; else a new one.

        With `anew` the last one is the answer only as long as it is under way.

        Raises:
            UnknownPersonError: there is no such person.
            RestrictedError: the person is restricted, so that none is made, nor the last one handed out.
            BeingErasedError: nothing is left that could be exported.
            MillraceError: a store did not answer; the same call goes on.
        """
        row, at = self.person(org, user), clock.now()
        _require_unrestricted(row)
        last = self.requests.get(org, row.exported) if row.exported else None
        usable = (OPEN,) if anew else (OPEN, DONE)
        if last is not None and clock.parse(last.received_at) + EXPORT_KEPT > at and last.state in usable:
            if last.state == OPEN:
                self.start(org, last)
            return last
        request = self._new(org, user, row, "export", by, reason, new_id(at), at)
        self.requests.open(org, request)
        if not self.people.exported(row, request.request_id):
            self.requests.end(org, request.request_id, FAILED, clock.now())
            _require_unrestricted(self.person(org, user))
            raise BeingErasedError("the person is being erased, or was")
        self.start(org, request)
        return request

    def restrict(
        self, org: str, user: str, by: str, reason: str, *, restricted: bool
    ) -> SubjectRequest | None:
        """Has nobody see values of a person, or has them seen again (then None).

        Raises:
            UnknownPersonError: there is no such person.
            BeingErasedError: there is nothing left to restrict.
        """
        row, at = self.person(org, user), clock.now()
        if not self.people.restrict(row, restricted=restricted):
            raise BeingErasedError("the person is being erased, or was")
        if not restricted:
            return None
        request = self._record(org, user, row, "restrict", by, reason, at)
        self.requests.end(org, request.request_id, DONE, at)
        return replace(request, state=DONE, done_at=clock.utc_text(at))

    def rectify(self, org: str, user: str, by: str, reason: str) -> SubjectRequest:
        """Keeps that a person asks for a correction; it stays open until somebody says that it is made.

        Raises:
            UnknownPersonError: there is no such person.
        """
        return self._record(org, user, self.person(org, user), "rectify", by, reason, clock.now())

    def _record(
        self, org: str, user: str, row: PersonRow, kind: Kind, by: str, reason: str, at: datetime
    ) -> SubjectRequest:
        request = self._new(org, user, row, kind, by, reason, new_id(at), at)
        self.requests.open(org, request)
        return request

    def _erased(self, org: str, user: str, row: PersonRow, by: str, reason: str) -> SubjectRequest:
        request = self.requests.get(org, row.erasure)
        if request is None:
            at = clock.now()
            request = self._new(org, user, row, "erase", by, reason, row.erasure, at)
            self.requests.open(org, request)
        if request.state != DONE:
            self.start(org, request)
        return request

    def _new(
        self,
        org: str,
        user: str,
        row: PersonRow,
        kind: Kind,
        by: str,
        reason: str,
        request_id: str,
        at: datetime,
    ) -> SubjectRequest:
        needed = kind in ("erase", "export")
        wrap = self.people.secrets(org).wrap
        return SubjectRequest(
            request_id=request_id,
            kind=kind,
            state=OPEN,
            subject=str(row.subject),
            place=row.place,
            by=by,
            reason=reason,
            received_at=clock.utc_text(at),
            due_at=due(at),
            who=seal.seal(wrap, binding(org, request_id), user.encode("utf-8", "surrogatepass"))
            if needed
            else b"",
        )


def _require_unrestricted(row: PersonRow) -> None:
    if row.state == RESTRICTED:
        raise RestrictedError("the person is restricted: nobody sees values of theirs until that ends")
