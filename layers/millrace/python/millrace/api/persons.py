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
        """The number of a user or, `by=number`, the user of a number, after the audit has the line; the line has the number alone.

        An id that is another one's number is an id, unless the caller says that it means a number.

        Raises:
            Problem: 404, nobody is known by it, or nobody may say whose number it is.
            MillraceError: a store did not answer.
        """
        given = call.values["id"]
        user, number = (self._by_number if call.values["by"] == "number" else self._by_id)(call.org, given)
        if user is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"nobody is known by this {call.values['by']}")
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

    def _by_id(self, org: str, user: str) -> tuple[str | None, str]:
        number = self._user_ids.number(org, user)
        return (None, "") if number is None else (user, number)

    def _by_number(self, org: str, number: str) -> tuple[str | None, str]:
        users = self._user_ids.users(org, [int(number)]) if identities.is_number(number) else {}
        return next(iter(users.values()), None), number
