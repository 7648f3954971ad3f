"""Tables about nobody over the API: listed, released, read."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from millrace.anonymised.grouping import TooFewPeopleError, TooManyGroupsError
from millrace.anonymised.releases import NotSettledError, Releases, UnknownReleaseError
from millrace.api.route import Call
from millrace.core.http import Problem
from millrace.queries.errors import TooLargeQueryError


class AnonymisedApi:
    """Answers of the calls under `/v1/anonymised`."""

    def __init__(self, releases: Releases) -> None:
        self._releases = releases

    def list(self, call: Call) -> dict[str, Any]:
        """Every table about nobody, and the periods that are released of it for the tenant."""
        return {"items": self._releases.listed(call.org)}

    def get(self, call: Call) -> dict[str, Any]:
        """A release."""
        with _answered():
            return self._releases.get(call.org, call.values["name"], call.values["period"])

    def release(self, call: Call) -> dict[str, Any]:
        """The release of a period, which is made if there is none."""
        by = call.request.authenticated.principal
        with _answered():
            return self._releases.release(call.org, call.values["name"], call.body["period"], by)


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    except UnknownReleaseError as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except (NotSettledError, TooFewPeopleError) as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    except (TooManyGroupsError, TooLargeQueryError) as error:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from error
