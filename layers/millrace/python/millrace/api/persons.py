"""Who has which number: `GET /v1/subjects/{id}`, for whoever goes from an id to rows of the lake, or back."""

from http import HTTPStatus
from typing import Any

from millrace.api.route import Call
from millrace.api.user_ids import UserIds
from millrace.core import audit
from millrace.core.http import Problem
from millrace.core.table import Table
from millrace.privacy import identities

ACTION = "subjects.read"


class PersonsApi:
    """Answers of `GET /v1/subjects/{id}`."""

    def __init__(self, user_ids: UserIds, metadata: Table) -> None:
        """`metadata`: where the audit is."""
        self._user_ids, self._metadata = user_ids, metadata

    def get(self, call: Call) -> dict[str, Any]:
        """The number of a user, or the user of a number, after the audit has the line; the line has the number alone.

        Raises:
            Problem: 404, nobody is known by it, or nobody may say whose number it is.
            MillraceError: a store did not answer.
        """
        given = call.values["id"]
        number = self._user_ids.stored(call.org, given)
        user: str | None = given
        if number == given:
            user = (
                self._user_ids.users(call.org, [given]).get(int(given))
                if identities.is_number(given)
                else None
            )
        if user is None:
            raise Problem(HTTPStatus.NOT_FOUND, "nobody is known by this id or number")
        caller = call.request.authenticated
        audit.write(
            self._metadata,
            call.org,
            ACTION,
            caller.principal,
            {"subject": number},
            call.request.request_id,
        )
        return {"userId": user, "subject": number}
