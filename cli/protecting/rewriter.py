"""From a stored event in clear to what intake would store of it now: numbers, tokens, one sealed blob, another fingerprint.

The same event gives the same bytes each time, so a row and its copy in raw stay equal, and a second run changes nothing.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from millrace.contracts.contract import Contract
from millrace.contracts.errors import UnknownType, UnknownVersion
from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.errors import RetryableError
from millrace.eventstore import fingerprint
from millrace.eventstore.row import StoredEvent
from millrace.privacy import identities, places, stored_form
from millrace.privacy.identities import LEAST, Identities, is_number
from millrace.privacy.person import name_of, of_user, user_in
from millrace.privacy.places import Places
from millrace.privacy.seal import UnreadableError
from millrace.privacy.subjects import ERASED, Person, Subjects

People = Mapping[str, Person]


@dataclass(frozen=True, slots=True)
class Clear:
    """What of an event is in clear.

    Attributes:
        event: as it is stored.
        contract: in force for it; None where there is none any more.
        users: ids of users in it.
        mentioned: those of them whom it is not about.
        values: whether a protected value is.
        owner: for whom values are sealed, by name; empty where nothing is, or the person is known by number.
        number: the same, by number; 0 where it is not known.
    """

    event: StoredEvent
    contract: Contract | None
    users: tuple[str, ...]
    values: bool
    owner: str = ""
    number: int = 0
    mentioned: frozenset[str] = frozenset()

    def names(self) -> set[str]:
        """Of the people whom it takes to rewrite the event."""
        names = {of_user(user) for user in self.users}
        return names | {self.owner} if self.owner else names

    def owners(self) -> set[str]:
        """Of the people whom it is about."""
        names = {of_user(user) for user in self.users if user not in self.mentioned}
        return names | {self.owner} if self.owner else names


@dataclass(frozen=True, slots=True)
class Rewriter:
    """Rewrites events of one tenant at a time.

    Attributes:
        registry: of contracts.
        subjects: people, who are made where there are none.
    """

    registry: Registry
    subjects: Subjects
    _places: dict[str, tuple[Places, Identities]] = field(default_factory=dict, init=False, repr=False)

    def contract_of(self, event: StoredEvent) -> Contract | None:
        """The contract in force for an event; None where there is none any more."""
        try:
            return self.registry.of_ref(event.envelope["platform"]["contract"])
        except (UnknownType, UnknownVersion):
            return None

    def clear(self, event: StoredEvent) -> Clear | None:
        """What of an event is in clear; None where nothing is."""
        contract = self.contract_of(event)
        where, identity = self._of(contract)
        users = tuple(user for user in identity.users(event.envelope) if user and not is_number(user))
        mentioned = identity.mentioned(event.envelope)
        if contract is None or not stored_form.has_clear(event.envelope, where):
            return Clear(event, contract, users, values=False, mentioned=mentioned) if users else None
        number, owner = 0, ""
        if blob := stored_form.blob(event.envelope):
            number = blob.subject
        else:
            owner = name_of(event.envelope, contract)
            if is_number(user := user_in(owner) or ""):
                number, owner = int(user), ""
        return Clear(event, contract, users, values=True, owner=owner, number=number, mentioned=mentioned)

    def rewritten(self, org: str, events: Sequence[StoredEvent]) -> list[StoredEvent | None]:
        """What is to be stored in the place of each event, in order; None where it stays as it is.

        Raises:
            MillraceError: people could not be read or written.
        """
        found = [self.clear(event) for event in events]
        people = self._people(org, [one for one in found if one is not None])
        numbers = {one.number for one in found if one is not None and one.number}
        known = self.subjects.of_numbers(org, numbers)
        return [None if one is None else self._made(org, one, people, known) for one in found]

    def number(self, org: str, user: str) -> str | None:
        """The number of a user; None of somebody who was erased.

        Raises:
            MillraceError: people could not be read or written.
        """
        person = self._known(org, {of_user(user)})[of_user(user)]
        return None if person.state == ERASED else str(person.subject)

    def standing_for(self, org: str, users: Sequence[tuple[str, datetime]]) -> list[str]:
        """What stands for users' ids in what happened at a moment each, in order.

        Raises:
            MillraceError: people could not be read or written.
        """
        named = [(of_user(user), at) for user, at in users]
        people = self._known(org, {name for name, _ in named})
        people = self._returned(org, people, named)
        return [self._standing_for(org, user, people, at) for user, at in users]

    def _people(self, org: str, found: Sequence[Clear]) -> People:
        people = self._known(org, set[str]().union(*(one.names() for one in found)))
        return self._returned(
            org, people, [(name, one.event.happened_at) for one in found for name in one.owners()]
        )

    def _known(self, org: str, names: set[str]) -> People:
        people = self.subjects.known_or_new(org, names)
        if missing := len(names - people.keys()):
            raise RetryableError(f"{missing} people could not be written")
        return people

    def _returned(self, org: str, people: People, named: Sequence[tuple[str, datetime]]) -> People:
        """The same with new people in the place of those who were erased and have done something since."""
        back = {name for name, at in named if people[name].state == ERASED and not _is_gone(people[name], at)}
        return {**people, **self.subjects.returned(org, back)} if back else people

    def _made(self, org: str, one: Clear, people: People, known: Mapping[int, Person]) -> StoredEvent:
        where, identity = self._of(one.contract)
        numbers = {user: self._standing_for(org, user, people, one.event.happened_at) for user in one.users}
        envelope: Any = one.event.envelope
        printed = one.event.fingerprint
        if one.values:
            person = known.get(one.number) if one.number else people[one.owner]
            envelope, key = self._sealed(org, one.event, where, person)
            if one.contract is not None and not one.contract.derived:
                printed = (
                    fingerprint.later(printed, key) if key else fingerprint.told_nothing(one.event.event_id)
                )
        envelope = identity.rewritten(envelope, numbers.get)
        if one.contract is not None and one.contract.derived:
            envelope = _with_numbers(envelope, numbers)
        return replace(one.event, envelope=dict(envelope), fingerprint=printed)

    def _sealed(
        self, org: str, event: StoredEvent, where: Places, person: Person | None
    ) -> tuple[Mapping[str, Any], bytes]:
        """The envelope with its values sealed, and the key; where nobody has one any more they are gone, and it is empty."""
        token_key = self.subjects.secrets(org).token
        if person is not None and person.key and not _is_gone(person, event.happened_at):
            try:
                made = stored_form.completed(event.envelope, where, token_key, person.subject, person.key)
            except UnreadableError:
                pass
            else:
                return made, person.key
        return stored_form.masked_only(event.envelope, where, token_key), b""

    def _standing_for(self, org: str, user: str, people: People, at: datetime) -> str:
        person = people[of_user(user)]
        # Who was erased, and is only mentioned since, does not come back by that.
        is_gone = person.state == ERASED or _is_gone(person, at)
        return self._pseudonym(org, user) if is_gone else str(person.subject)

    def _pseudonym(self, org: str, user: str) -> str:
        """What stands for somebody whose number is deleted: one that is nobody's, the same in all rows, and one-way as a token."""
        text = f"pseudonym {of_user(user)}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self.subjects.secrets(org).lookup, text, hashlib.sha256)
        return str(LEAST | int.from_bytes(digest[:8]) % LEAST)

    def _of(self, contract: Contract | None) -> tuple[Places, Identities]:
        if contract is None:
            return Places({}), Identities()
        found = self._places.get(contract.ref)
        if found is None:
            found = self._places[contract.ref] = places.of(contract), identities.of(contract)
        return found


def _is_gone(person: Person, at: datetime) -> bool:
    """Whether who had the name at that moment was erased since."""
    return bool(person.erased_at) and at <= clock.parse(person.erased_at)


def _with_numbers(envelope: Mapping[str, Any], numbers: Mapping[str, str]) -> Mapping[str, Any]:
    """An event of the platform's own, whose texts call users such as `user:42`."""
    payload = envelope["data"]["payload"]
    changed = dict(_told(payload, numbers))
    return (
        {**envelope, "data": {**envelope["data"], "payload": {**payload, **changed}}} if changed else envelope
    )


def _told(payload: Mapping[str, Any], numbers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in payload.items():
        if isinstance(text, str) and (made := with_numbers(text, numbers)) != text:
            yield name, made


def with_numbers(text: str, numbers: Mapping[str, str]) -> str:
    """A text with the numbers of users where it is an id, or has one behind a colon."""
    for user, number in numbers.items():
        if text == user:
            return number
        text = re.sub(rf"(?<=:){re.escape(user)}(?![\w-])", number, text)
    return text
