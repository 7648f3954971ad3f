"""What is stored of an event: numbers in place of users' ids, tokens and one sealed blob in place of protected values.

It stands between enrich and the row. An event that names nobody and has no protected value costs nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from millrace.contracts.contract import Contract
from millrace.contracts.validator import FieldError
from millrace.core import clock, limits
from millrace.eventstore import content
from millrace.eventstore.row import Envelope
from millrace.privacy import identities, places, stored_form
from millrace.privacy.identities import Identities
from millrace.privacy.person import name_of, of_user
from millrace.privacy.places import Places
from millrace.privacy.subjects import ERASED, ERASING, Person, drawn
from millrace.privacy.tenant_secrets import TenantSecrets


class People(Protocol):
    """Where the keys of people are (`millrace.privacy.subjects.Subjects`)."""

    def secrets(self, org: str) -> TenantSecrets:
        """The tenant's keys, or RetryableError."""
        ...

    def known(self, org: str, names: Iterable[str]) -> Mapping[str, Person]:
        """Those of these names that there are, or RetryableError."""
        ...

    def known_or_new(self, org: str, names: Iterable[str]) -> Mapping[str, Person]:
        """The people of these names, without those that could not be written; or RetryableError."""
        ...

    def returned(self, org: str, names: Iterable[str]) -> Mapping[str, Person]:
        """New people in the place of those who were erased, likewise."""
        ...


# Of a person who is blocked a function that remembers the person may take events for so long; nobody comes back earlier.
REMEMBERED = timedelta(seconds=60)
FORGOTTEN = FieldError(
    "", "rule", "the person whom this event is about was erased: nothing from before that is taken"
)
_LEAVING = FieldError("", "rule", "the person whom this event is about is being erased")


@dataclass(frozen=True, slots=True)
class Named:
    """Whom an event names.

    Attributes:
        sealed_for: the name of the person for whom its values are sealed; None where it has nothing to protect.
        users: ids of users that stand in it.
        mentioned: those of them whom it is not about. An erasure of such a one neither refuses the event nor is ended by it.
    """

    sealed_for: str | None
    users: tuple[str, ...]
    mentioned: frozenset[str] = frozenset()

    def names(self) -> set[str]:
        """All of them by name."""
        names = {of_user(user) for user in self.users}
        return names if self.sealed_for is None else names | {self.sealed_for}

    def owners(self) -> set[str]:
        """Those whom it is about, by name."""
        if not self.mentioned:
            return self.names()
        names = {of_user(user) for user in self.users if user not in self.mentioned}
        return names if self.sealed_for is None else names | {self.sealed_for}


class Protection:
    """Protects the events of one intake, whose contracts are those of one registry."""

    def __init__(self, people: People) -> None:
        """Makes no call."""
        self._people = people
        self._places: dict[str, tuple[Places, Identities]] = {}

    def named(self, envelope: Envelope, contract: Contract) -> Named:
        """Whom an event names."""
        where, identity = self._of(contract)
        sealed_for = name_of(envelope, contract) if where and where.holds(envelope) else None
        return Named(sealed_for, identity.users(envelope), identity.mentioned(envelope))

    def people(self, org: str, names: Iterable[str]) -> Mapping[str, Person]:
        """The people of these names, read and made at once for all events of a request.

        Raises:
            MillraceError: a table or KMS did not answer.
        """
        return self._people.known_or_new(org, names)

    def known(self, org: str, users: Iterable[str]) -> Mapping[str, Person]:
        """Those of these users that there are, by id.

        Raises:
            MillraceError: a table or KMS did not answer.
        """
        names = {of_user(user): user for user in users}
        return {names[name]: person for name, person in self._people.known(org, names).items()}

    def returned(self, org: str, names: Iterable[str]) -> Mapping[str, Person]:
        """New people in the place of those who had these names and were erased: they came back.

        Raises:
            MillraceError: a table or KMS did not answer.
        """
        return self._people.returned(org, names)

    @staticmethod
    def came_back(envelope: Envelope, person: Person) -> bool:
        """Whether an event says that somebody who was erased is here again: it happened later."""
        return person.state == ERASED and clock.parse(envelope["timestamp"]) > clock.parse(person.erased_at)

    @staticmethod
    def may_be_from_before(envelope: Envelope, person: Person) -> bool:
        """Whether an event that happened after an erasure may have been stored before it: clocks of clients may be ahead."""
        if not person.erased_at:
            return False
        erased_at = clock.parse(person.erased_at)
        return erased_at < clock.parse(envelope["timestamp"]) <= erased_at + REMEMBERED + limits.AHEAD

    @staticmethod
    def was_there(received_at: str, person: Person) -> bool:
        """Whether an event that was received then is of whoever was erased, and not of who came back."""
        return person.state == ERASED or clock.parse(received_at) < clock.parse(person.erased_at) + REMEMBERED

    @staticmethod
    def refusal(envelope: Envelope, person: Person) -> FieldError | None:
        """Why an event of this person is not taken, nor kept in any other place; None where it is."""
        if person.state == ERASING:
            return _LEAVING
        return FORGOTTEN if _is_gone(person, envelope["timestamp"]) else None

    @staticmethod
    def is_forgotten(event: Any, person: Person) -> bool:
        """Whether nothing of what names a person is kept, whatever is wrong with it: nothing says that it is from afterwards."""
        if person.state == ERASING:
            return True
        if not person.erased_at:
            return False
        try:
            return clock.parse(event["timestamp"]) <= clock.parse(person.erased_at)
        except (TypeError, KeyError, ValueError, IndexError, AttributeError):
            return True

    def stored(
        self, envelope: Envelope, contract: Contract, named: Named, people: Mapping[str, Person]
    ) -> Envelope:
        """The envelope as it is stored.

        Raises:
            MillraceError: KMS did not answer.
        """
        where, identity = self._of(contract)
        if named.users:
            happened = envelope["timestamp"]
            envelope = identity.rewritten(envelope, lambda user: _number(people[of_user(user)], happened))
        if named.sealed_for is None:
            return envelope
        token_key = self._people.secrets(envelope["platform"]["orgId"]).token
        person = people[named.sealed_for]
        return dict(stored_form.protected(envelope, where, token_key, person.subject, person.key))

    def comparable(self, read: content.Content, contract: Contract, person: Person) -> content.Content | None:
        """What the fingerprint of an event is made of; None where this delivery has no protected value."""
        event = stored_form.comparable(read[0], self._of(contract)[0], person.key)
        return None if event is read[0] else content.rewritten(event)

    def _of(self, contract: Contract) -> tuple[Places, Identities]:
        found = self._places.get(contract.ref)
        if found is None:
            found = self._places[contract.ref] = places.of(contract), identities.of(contract)
        return found


def _number(person: Person, happened: str) -> str:
    """What stands for a person in an event of that moment. For who was erased, and is only mentioned, it is a number of nobody."""
    if person.state == ERASED or _is_gone(person, happened):
        return str(drawn())
    return str(person.subject)


def _is_gone(person: Person, happened: str) -> bool:
    """Whether who had the name at that moment was erased since."""
    return bool(person.erased_at) and clock.parse(happened) <= clock.parse(person.erased_at)
