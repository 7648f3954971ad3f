"""The one step of an export: what is kept of a person, into the lake, where a link leads to it for a while."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from millrace.alerts.rows import STATES, USER, AlertRows
from millrace.core import audit, clock
from millrace.core.objects import Objects
from millrace.core.prefixes import EXPORTS
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import body_of
from millrace.people import export
from millrace.people.events import PersonEvents
from millrace.people.requests import DONE, FAILED, Requests, SubjectRequest
from millrace.people.rows import PeopleRows
from millrace.privacy import identities
from millrace.privacy.consent import Statement
from millrace.privacy.person import of_user
from millrace.privacy.reading import PersonalReads, StoredBody
from millrace.privacy.subjects import ACTIVE, Subjects

MOST_ALERTS = 10_000
ACTION = "subjects.export"


@dataclass(frozen=True, slots=True)
class Exporting:
    """Exports what is kept of people.

    Attributes:
        requests: where requests are.
        people: their items.
        subjects: their keys and consents.
        events: their events.
        reads: unseals them.
        alerts: alerts that followed from them.
        metadata: where the audit is.
        lake: where exports lie.
        codec: of events.
    """

    requests: Requests
    people: PeopleRows
    subjects: Subjects
    events: PersonEvents
    reads: PersonalReads
    alerts: AlertRows
    metadata: Table
    lake: Objects
    codec: Codec

    def export(self, org: str, request: SubjectRequest, user: str) -> dict[str, Any]:
        """Writes the zip of a request; a second time, the same again. It has failed where the person is no longer active.

        Raises:
            MillraceError: a store did not answer.
        """
        audit.write(
            self.metadata,
            org,
            ACTION,
            request.by,
            {
                "step": "export",
                "requestId": request.request_id,
                "subject": request.subject,
                "reason": request.reason,
            },
            request.request_id,
        )
        named = self.people.forms(org, request.subject, user)
        bodies = (
            StoredBody(row["eventType"]["S"], body_of(row, self.codec))
            for row in self.events.rows(org, named)
        )
        others = {
            "alerts.json": self._alerts(org, named, user),
            "consents.json": self._consents(org, user),
            "requests.json": self._requests(org, request.subject),
        }
        key = export_key(org, request)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "export.zip"
            counts = export.write(path, org, bodies, self.reads, others)
            self.lake.put(key, path.read_bytes(), content_type="application/zip", doing="keep export")
        row = self.people.at(request.place)
        if row is None or row.state != ACTIVE or row.exported != request.request_id:
            # What an erasure removes, or has removed, must not be there afterwards; and while the person is restricted its
            # values are not in the zip.
            self.lake.purge(key)
            self.requests.end(org, request.request_id, FAILED, clock.now())
            return {}
        self.requests.record(org, request.request_id, "export", {**counts, "object": key})
        self.requests.end(org, request.request_id, DONE, clock.now())
        return counts

    def _alerts(self, org: str, named: Sequence[str], user: str) -> Iterator[dict[str, Any]]:
        number = int(named[0])
        for _, alert in self.alerts.listed(org, STATES, None, None, None, MOST_ALERTS, users=named):
            known = {number: user} if number in identities.named(alert.pop(USER), alert["subject"]) else {}
            texts = ((name, value) for name, value in alert.items() if isinstance(value, str))
            yield {**alert, **{name: identities.with_ids(value, known) for name, value in texts}}

    def _consents(self, org: str, user: str) -> Iterator[dict[str, Any]]:
        name = of_user(user)
        # Who was never met has said nothing, and asking makes nobody.
        person = self.subjects.known(org, [name]).get(name)
        consents = {} if person is None else person.consents
        for purpose in consents:
            yield {"purpose": purpose, "statement": asdict(Statement.of_item(consents[purpose]))}

    def _requests(self, org: str, subject: str) -> Iterator[dict[str, Any]]:
        now = clock.now()
        mine = (one for one in self.requests.listed(org) if one.subject == subject)
        return (one.to_json(now) for one in mine)


def export_key(org: str, request: SubjectRequest) -> str:
    """Where the zip of a request lies in the lake."""
    return f"{EXPORTS}org={org}/{request.subject}/{request.request_id}.zip"
