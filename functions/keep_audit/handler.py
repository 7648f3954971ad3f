"""Edge: once a day a schedule has every chain of the audit verified and anchored, and looks at what people are waiting for."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.keep_audit.settings import Settings
from millrace.alerts.assemble import alerts
from millrace.audit.store import AuditStore
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.errors import PermanentError
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.people.deadlines import Deadlines
from millrace.people.requests import Requests


@edge("keep_audit", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Verifies what came since the last anchor, then anchors; a chain that is not as it was written is an error of the call."""
    metadata = Table(client("dynamodb"), settings.metadata_table)
    store = AuditStore(metadata, Objects(client("s3"), settings.audit_bucket))
    deadlines = Deadlines(Requests(metadata), alerts(settings, log.warning))

    def keep(_: Event, __: object) -> dict[str, Any]:
        now = clock.now()
        verdict = store.verify_new(now)
        made = store.anchor(now)
        answer: dict[str, Any] = {
            "lines": verdict.lines,
            "broken": [one.to_json() for one in verdict.broken],
            "anchor": None if made is None else made.key,
        }
        log.info("kept", extra=answer)
        # Each request left a line, so whoever has one has a chain.
        answer["requestsDue"] = deadlines.look(store.chains(), now, log.error)
        if verdict.broken:
            raise PermanentError(f"the audit is not as it was written: {len(verdict.broken)} do not fit")
        return answer

    return keep
