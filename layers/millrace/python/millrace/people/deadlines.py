"""What people asked for and did not get yet: an alert of their tenant five days before its month is over, and another when it is.

Looked at once a day. An alert ends when the request is done, or needs nobody any more.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from millrace.alerts.alert import Alert
from millrace.alerts.raising import Alerts
from millrace.core import clock
from millrace.core.errors import MillraceError, RetryableError
from millrace.people.requests import DONE, FAILED, Requests, SubjectRequest

KIND, OWNER = "subject-request", "privacy"
DUE, OVERDUE = "subject_request_due", "subject_request_overdue"
SOON = timedelta(days=5)
# Older requests have had their alerts; these are listed for as long.
LOOKS_BACK = timedelta(days=90)
_ASKS = {"erase": "an erasure", "export": "an export", "rectify": "a correction", "restrict": "a restriction"}


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Looks at requests.

    Attributes:
        requests: where they are.
        alerts: raises and ends alerts.
    """

    requests: Requests
    alerts: Alerts

    def look(self, orgs: Iterable[str], now: datetime, log: Callable[[str], None]) -> int:
        """Raises and ends the alerts of tenants; returns how many requests are due soon or overdue.

        Raises:
            RetryableError: of some tenants they are not, which the log has; all others were looked at.
        """
        waiting, failed = 0, 0
        for org in orgs:
            try:
                waiting += self._look(org, now)
            except MillraceError as error:
                failed += 1
                log(f"requests of people of {org} were not looked at: {error}")
        if failed:
            raise RetryableError(f"the requests of people of {failed} tenants were not looked at")
        return waiting

    def _look(self, org: str, now: datetime) -> int:
        oldest = clock.utc_text(now - LOOKS_BACK)
        recent = takewhile(lambda one: one.received_at > oldest, self.requests.listed(org))
        listed = [one for one in recent if clock.parse(one.due_at) - SOON <= now]
        due = waiting(listed)
        raised = [alert(org, one, now) for one in due]
        wanted = {(org, KIND, one.rule, one.subject) for one in raised}
        # What was done in time never had one.
        had = [
            one for one in listed if one.done_at is None or one.done_at >= _soon(one) or one.state == FAILED
        ]
        maybe = [(org, KIND, rule, subject(one)) for one in had for rule in (DUE, OVERDUE)]
        for gone in self.alerts.open_ones([one for one in maybe if one not in wanted]):
            self.alerts.end(*gone, reason="recovered")
        self.alerts.raise_all(raised)
        return len(due)


def waiting(newest_first: Iterable[SubjectRequest]) -> Sequence[SubjectRequest]:
    """The requests that somebody waits for: not done, and not settled by a later one."""
    erased: set[str] = set()
    exported: set[str] = set()
    found = []
    for one in newest_first:
        if one.state == DONE:
            erased |= {one.subject} if one.kind == "erase" else set()
            exported |= {one.subject} if one.kind == "export" else set()
        elif one.subject not in erased and not (one.kind == "export" and one.subject in exported):
            found.append(one)
    return found


def alert(org: str, request: SubjectRequest, now: datetime) -> Alert:
    """The alert of a request that is due soon or overdue: the same each time that it is looked at."""
    due = clock.parse(request.due_at)
    overdue = due <= now
    day = clock.day_text(due)
    return Alert(
        org=org,
        kind=KIND,
        rule=OVERDUE if overdue else DUE,
        subject=subject(request),
        about=(request.request_id,),
        severity="critical" if overdue else "warning",
        title=f"A person asked for {_ASKS[request.kind]}, and it {'was' if overdue else 'is'} due on {day}",
        message=f"Request {request.request_id} of {request.received_at} is {request.state}. The law gives a month.",
        owner=OWNER,
        at=due if overdue else due - SOON,
    )


def subject(request: SubjectRequest) -> str:
    """What an alert of a request is about."""
    return f"request:{request.request_id}"


def _soon(request: SubjectRequest) -> str:
    return clock.utc_text(clock.parse(request.due_at) - SOON)
