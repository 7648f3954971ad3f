"""The item of a person in SubjectKeys, as requests change it: blocked, erased, restricted, held.

Every change has its condition, so that of two at once one is made, and the same change a second time changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from millrace.core import clock, keys
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.table import Item, Table
from millrace.eventstore.tenant_key import TenantKeys
from millrace.privacy import identities, listing
from millrace.privacy.person import of_user
from millrace.privacy.subjects import ACTIVE, ERASED, ERASING, RESTRICTED, person_key, subject_key
from millrace.privacy.tenant_secrets import TenantSecrets, secrets

_TRIES = 4


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person as requests see one.

    Attributes:
        place: the key of the item; it holds an HMAC of the person's name, under a key of the tenant.
        subject: the person's number; 0 where only the trace of an erasure is left.
        state: as `privacy.subjects` names it.
        erasure: the last request to erase whoever had this name; empty if there was none.
        exported: the last request for an export of this person; empty if there was none.
        held: why the person may not be erased; None where nothing forbids it.
    """

    place: str
    subject: int
    state: str
    erasure: str
    exported: str
    held: Mapping[str, str] | None


class PeopleRows:
    """Items of people of all tenants; a tenant reaches its own and no other's."""

    def __init__(self, subject_keys: Table, tenant_keys: TenantKeys) -> None:
        """Makes no call."""
        self._table, self._tenant_keys = subject_keys, tenant_keys

    def secrets(self, org: str) -> TenantSecrets:
        """The tenant's keys.

        Raises:
            RetryableError: Metadata or KMS did not answer.
        """
        return secrets(self._tenant_keys, org)

    def find(self, org: str, user: str) -> PersonRow | None:
        """The person whom events call so; None if no event that was taken has named such a one.

        Raises:
            MillraceError: the table did not answer.
        """
        return self.at(person_key(org, self.secrets(org), of_user(user)))

    def at(self, place: str) -> PersonRow | None:
        """The person of an item, as it is at this moment.

        Raises:
            MillraceError: the table did not answer.
        """
        row = self._table.get({"subjectKey": {"S": place}}, consistent=True, doing="read person")
        return None if row is None else _read(place, row)

    def forms(self, org: str, subject: str, user: str) -> tuple[str, ...]:
        """What rows of a person may be found by: the number, and the id, which rows from before have.

        An id that is the number of somebody else, or was, finds no rows of this person, but all of the other.

        Raises:
            MillraceError: the table did not answer.
        """
        if identities.is_number(user):
            key = {"subjectKey": {"S": subject_key(org, int(user))}}
            if self._table.get(key, consistent=True, doing="read person") is not None:
                return (subject,)
        return tuple(dict.fromkeys((subject, user)))

    def has_key(self, org: str, person: str, subject: int) -> bool:
        """Whether there is anything from which the key of a person could be had, at this moment.

        Args:
            org: the tenant.
            person: the key of the person's item.
            subject: the person's number.

        Raises:
            MillraceError: the table did not answer.
        """
        number = self._table.get(
            {"subjectKey": {"S": subject_key(org, subject)}}, consistent=True, doing="read person"
        )
        row = self._table.get({"subjectKey": {"S": person}}, consistent=True, doing="read person")
        wrapped = row is not None and "wrapped" in row and int(row["subject"]["N"]) == subject
        return wrapped or (number is not None and "person" in number)

    def block(self, row: PersonRow, request: str, at: datetime) -> bool:
        """Has nothing new be taken of a person, for an erasure; False where another one was first, or a hold forbids it."""
        return self._update(
            row.place,
            "SET #state = :to, erasure = :request, erasedAt = :at",
            "(#state = :active OR #state = :restricted) AND attribute_not_exists(held)",
            {
                ":to": ERASING,
                ":request": request,
                ":at": clock.utc_micros(at),
                ":active": ACTIVE,
                ":restricted": RESTRICTED,
            },
        )

    def forget(self, org: str, place: str, subject: int, request: str) -> None:
        """Deletes the key of a person who is blocked for this request; both items stay as traces that name nobody.

        Raises:
            PermanentError: the person is not blocked for this request.
            MillraceError: the table did not take it.
        """
        row = self._table.get({"subjectKey": {"S": place}}, consistent=True, doing="read person")
        if row is None or row.get("erasure", {}).get("S") != request:
            # Somebody new has the name already, who came after the erasure of this request, or there is no such request.
            if self.has_key(org, place, subject):
                raise PermanentError(f"nobody is blocked for the request {request}")
            return
        if row["state"]["S"] != ERASING:
            return
        trace = {
            "state": {"S": ERASED},
            "erasedAt": row["erasedAt"],
            "erasure": {"S": request},
        }
        blocked = {
            "ConditionExpression": "#state = :erasing AND erasure = :request",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {":erasing": {"S": ERASING}, ":request": {"S": request}},
        }
        number = {**trace, "subjectKey": {"S": subject_key(org, subject)}}
        self._table.transact(
            [{"Put": {"Item": {**trace, "subjectKey": {"S": place}}, **blocked}}, {"Put": {"Item": number}}],
            doing="delete the key of a person",
        )

    def restrict(self, row: PersonRow, *, restricted: bool) -> bool:
        """Has nobody see values of a person any more, or has them seen again; False where the person is being erased.

        Raises:
            MillraceError: the table did not answer, or others change the same person at this moment.
        """
        there, back = (RESTRICTED, ACTIVE) if restricted else (ACTIVE, RESTRICTED)
        key, org = {"subjectKey": {"S": row.place}}, keys.unescape(row.place.partition(keys.SEPARATOR)[0])
        for _ in range(_TRIES):
            item = self._table.get(key, consistent=True, doing="read person")
            if item is None or item["state"]["S"] not in (there, back):
                return False
            consents = item["consents"]
            listed = listing.entry(int(item["subject"]["N"]), consents["M"], restricted=restricted)
            clauses, values = listing.change(org, listed)
            if self._table.update(
                key,
                f"SET #state = :to{clauses}",
                condition="(#state = :from OR #state = :to) AND consents = :read",
                names={"#state": "state"},
                values={":to": {"S": there}, ":from": {"S": back}, ":read": consents, **values},
                doing="change person",
            ):
                return True
        raise RetryableError("others change the same person at this moment")

    def hold(self, row: PersonRow, reason: str, by: str, at: datetime) -> bool:
        """Forbids that a person is erased; False where that has begun."""
        held = {"reason": {"S": reason}, "by": {"S": by}, "at": {"S": clock.utc_text(at)}}
        values = {":held": held, ":active": ACTIVE, ":restricted": RESTRICTED}
        return self._update(
            row.place, "SET held = :held", "(#state = :active OR #state = :restricted)", values
        )

    def lift(self, row: PersonRow) -> bool:
        """Ends a hold; False where there is none."""
        return self._update(row.place, "REMOVE held", "attribute_exists(held)", {}, names={})

    def exported(self, row: PersonRow, request: str) -> bool:
        """Keeps which export was asked for last; False where the person is restricted or being erased."""
        values = {":request": request, ":active": ACTIVE}
        return self._update(row.place, "SET exported = :request", "#state = :active", values)

    def _update(
        self,
        place: str,
        change: str,
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
    ) -> bool:
        given = {name: {"S": one} if isinstance(one, str) else {"M": one} for name, one in values.items()}
        return self._table.update(
            {"subjectKey": {"S": place}},
            change,
            condition=condition,
            names={"#state": "state"} if names is None else names,
            values=given,
            doing="change person",
        )


def digest_of(place: str) -> str:
    """The HMAC in the key of a person's item: what machines call the person by."""
    return place.rpartition(keys.SEPARATOR)[2]


def place_of(org: str, digest: str) -> str:
    """The key of the item, from that."""
    return keys.join(org, "person", digest)


def _read(place: str, row: Item) -> PersonRow:
    def text(name: str) -> str:
        return str(row[name]["S"]) if name in row else ""

    held = {name: str(value["S"]) for name, value in row["held"]["M"].items()} if "held" in row else None
    subject = int(row["subject"]["N"]) if "subject" in row else 0
    return PersonRow(place, subject, row["state"]["S"], text("erasure"), text("exported"), held)
