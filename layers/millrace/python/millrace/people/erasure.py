"""The steps of an erasure, each of which can be tried again: block, forget, remove, verify, certify.

Of a request that has ended none changes anything.

The person is blocked when the request is taken; functions that remember the person do so for less than a minute, which the
machine waits. Then the key goes, and with it every protected value wherever it lies. What is removed besides is what holds
values under other keys (refused events, exports), and what was computed of the person for decisions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from millrace.core import audit, clock
from millrace.core.errors import PermanentError
from millrace.core.prefixes import EXPORTS, IMPORTS
from millrace.core.table import Table
from millrace.features.rows import row_key
from millrace.imports.kept import files_of
from millrace.people import certificate, requests
from millrace.people.requests import DONE, OPEN, Requests, SubjectRequest
from millrace.people.signing import Signer
from millrace.people.verification import Stores, verified
from millrace.privacy import seal
from millrace.privacy.subjects import ERASING
from millrace.quarantine.entry import KEPT_DAYS
from millrace.quarantine.mentions import Mentions
from millrace.quarantine.store import Filter, QuarantineStore

PRINCIPAL, ACTION = "millrace", "subjects.erase"
# Groups of FeatureStore whose rows are of one user.
GROUPS = ("fraud", "user")
# Refused events that are looked at before the next look at the clock.
ROUND = 50


@dataclass(frozen=True, slots=True)
class Erasure:
    """Erases people.

    Attributes:
        environment: such as `prod`, for the certificate.
        requests: where requests are.
        stores: where it is verified.
        metadata: where the audit is.
        features: FeatureStore.
        quarantine: refused events.
        signer: signs certificates.
    """

    environment: str
    requests: Requests
    stores: Stores
    metadata: Table
    features: Table
    quarantine: QuarantineStore
    signer: Signer

    def block(self, org: str, request_id: str) -> dict[str, Any]:
        """Makes sure that nothing new is taken.

        Raises:
            PermanentError: there is no such request, or the person is not blocked for it.
        """
        request = self.request(org, request_id)
        if request.state != OPEN:
            return {}
        row = self.stores.people.at(request.place)
        if row is None or row.erasure != request_id:
            raise PermanentError(f"nobody is blocked for the request {request_id}")
        if row.state == ERASING:
            self._audit(org, request, "block", {})
        return {}

    def forget(self, org: str, request_id: str) -> dict[str, Any]:
        """Deletes the key."""
        request = self.request(org, request_id)
        if request.state == OPEN and "forget" not in request.found:
            self.stores.people.forget(org, request.place, int(request.subject), request_id)
            self._audit(org, request, "forget", {})
            self.requests.record(org, request_id, "forget", {"at": _now()})
        return {}

    def remove(
        self, org: str, request_id: str, given: Mapping[str, Any], left: Callable[[], float]
    ) -> dict[str, Any]:
        """Removes what is not under the person's key, as far as there is time: `{"after": …, "removed": n, "left": bool}`.

        Args:
            org: the tenant.
            request_id: of the request.
            given: the answer of the call before; empty for the first.
            left: seconds that are left.
        """
        request = self.request(org, request_id)
        if request.state != OPEN:
            return {"after": None, "removed": request.found["remove"]["quarantine"], "left": False}
        user = self.user(org, request)
        if not given.get("after"):
            for group in GROUPS:
                for name in self.stores.people.forms(org, request.subject, user):
                    self.features.delete(row_key(org, group, name), doing="remove features")
            self.stores.lake.purge(exports_of(org, request.subject), doing="remove exports")
            # Anybody may be named in a file, and none is looked through: all that is kept of the tenant's goes.
            self.stores.lake.purge(files_of(org), doing="remove imported files")
            # And whatever waits in the drop zone, or was left there by an import that failed, in clear.
            self.stores.lake.purge(f"{IMPORTS}{org}/", doing="remove dropped files")
        removed, after = self._from_quarantine(org, user, given.get("after"), left)
        total = int(given.get("removed") or 0) + removed
        if after is None:
            self._audit(org, request, "remove", {"quarantine": total})
            self.requests.record(org, request_id, "remove", {"quarantine": total})
        return {"after": after, "removed": total, "left": after is not None}

    def verify(self, org: str, request_id: str) -> dict[str, Any]:
        """Reads a sample of what is left, and finds nothing in clear.

        Raises:
            PermanentError: a value can be read.
        """
        request = self.request(org, request_id)
        if request.state != OPEN:
            found: dict[str, Any] = request.found["verify"]["found"]
            return found
        user = self.user(org, request)
        found = verified(self.stores, org, user, request.place, int(request.subject))
        self.requests.record(org, request_id, "verify", {"at": _now(), "found": found})
        return found

    def certify(self, org: str, request_id: str) -> dict[str, Any]:
        """Signs and keeps the certificate, and ends the request; a second time it is the same certificate."""
        request = self.request(org, request_id)
        key = certificate.key_of(org, request_id)
        if request.state != OPEN:
            return {"certificate": key}
        if self.stores.lake.find(key, doing="read certificate") is None:
            made = certificate.made(
                environment=self.environment,
                org=org,
                request_id=request_id,
                subject=request.subject,
                moments={
                    "requestedAt": request.received_at,
                    "keyDeletedAt": request.found["forget"]["at"],
                    "verifiedAt": request.found["verify"]["at"],
                    "issuedAt": _now(),
                },
                removed=request.found["remove"],
                has_old_rows=bool(request.found["verify"]["found"].get("before", {}).get("looked")),
                verified=request.found["verify"]["found"],
                key=self.signer.public_key(),
            )
            document = orjson.dumps(certificate.signed(made, self.signer.sign), option=orjson.OPT_INDENT_2)
            self.stores.lake.put_new(key, document, content_type="application/json", doing="keep certificate")
        self._audit(org, request, "certify", {"certificate": key})
        self.requests.end(org, request_id, DONE, clock.now())
        return {"certificate": key}

    def request(self, org: str, request_id: str) -> SubjectRequest:
        """A request.

        Raises:
            PermanentError: there is none.
        """
        request = self.requests.get(org, request_id)
        if request is None:
            raise PermanentError(f"there is no request {request_id}")
        return request

    def user(self, org: str, request: SubjectRequest) -> str:
        """How events call the person of an open request."""
        secret = self.stores.people.secrets(org)
        return seal.unseal(secret.wrap, requests.binding(org, request.request_id), request.who).decode()

    def _from_quarantine(
        self, org: str, user: str, after: str | None, left: Callable[[], float]
    ) -> tuple[int, str | None]:
        """How many refused events were removed, and the id behind which others are to be looked at."""
        mentions = Mentions(self.stores.registry)
        now = clock.now()
        chosen = Filter(now - timedelta(days=KEPT_DAYS + 1), now + timedelta(minutes=1), after=after)
        about: list[str] = []
        removed, last = 0, after

        def may_name(raw: bytes) -> bool:
            return mentions.may_name(raw, user)

        for looked, (identifier, is_about) in enumerate(
            self.quarantine.about(org, chosen, user, may_name), start=1
        ):
            if is_about:
                about.append(identifier)
            last = identifier
            if looked % ROUND == 0:
                self.quarantine.remove(org, about)
                removed, about = removed + len(about), []
                if left() <= 0:
                    return removed, last
        self.quarantine.remove(org, about)
        return removed + len(about), None

    def _audit(self, org: str, request: SubjectRequest, step: str, detail: Mapping[str, Any]) -> None:
        said = {"step": step, "requestId": request.request_id, "subject": request.subject, **detail}
        # By request and step: a step that is made again has its line.
        audit.write(self.metadata, org, ACTION, PRINCIPAL, said, f"{request.request_id}-{step}")


def exports_of(org: str, subject: str) -> str:
    """Below which the exports of a person lie in the lake."""
    return f"{EXPORTS}org={org}/{subject}/"


def _now() -> str:
    moment: datetime = clock.now()
    return clock.utc_text(moment)
