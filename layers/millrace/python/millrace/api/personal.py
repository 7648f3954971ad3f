"""Protected values in the API's reads of events: who may see them does, and that is written down first."""

from collections.abc import Sequence

from millrace.access.visibility import PERSONAL
from millrace.api.route import Call
from millrace.core import audit
from millrace.core.table import Table
from millrace.privacy.reading import PersonalReads, StoredBody

READ_PERSONAL = "personal.read"
# Ids of events and numbers of people that a line of the audit names; of more events it says how many there were.
_MOST_IDS = 1_000


class Personal:
    """Shows a call's events as its caller may see them."""

    def __init__(self, reads: PersonalReads, metadata: Table) -> None:
        """`metadata`: where the audit is."""
        self._reads, self._metadata = reads, metadata

    def shown(self, call: Call, events: Sequence[StoredBody]) -> list[bytes]:
        """The events' envelopes as JSON, in order.

        Raises:
            MillraceError: keys could not be read, or the audit could not be written.
        """
        caller = call.request.authenticated
        shown = self._reads.shown(call.org, events, clear=PERSONAL in caller.scopes)
        if shown.disclosed:
            detail = {
                "call": call.request.route,
                "events": len(shown.disclosed),
                "eventIds": shown.disclosed[:_MOST_IDS],
                "subjects": shown.subjects[:_MOST_IDS],
            }
            audit.write(
                self._metadata, call.org, READ_PERSONAL, caller.principal, detail, call.request.request_id
            )
        return shown.bodies
