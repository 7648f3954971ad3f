"""The keys of people in SubjectKeys: found by name in intake, by number in reads, made when a person is first met.

A person has two items, written together: `<org>#person#<HMAC of the name>` with the number, the wrapped key, the user's id
under that key, the state and the consents; and `<org>#subject#<number>`, which names the first. Without them nobody can read
what was sealed for the person, nor say whom a number names.

A warm function remembers people for at most `SECONDS`, so an erased, blocked or changed person is so everywhere within a minute.
"""

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from millrace.core import keys
from millrace.core.errors import MillraceError, RetryableError
from millrace.core.table import Item, Table
from millrace.core.worker_pool import WorkerPool
from millrace.eventstore.tenant_key import TenantKeys
from millrace.privacy import consent, identities, listing, seal
from millrace.privacy.person import of_user, user_in
from millrace.privacy.tenant_secrets import TenantSecrets, secrets
from millrace.privacy.tokens import short_digest

# What a person is. Values of a restricted one are shown to nobody; of one that is being erased nothing new is taken, and who was
# erased has left an item without number or key, which says until when nothing is taken.
ACTIVE, RESTRICTED, ERASING, ERASED = "active", "restricted", "erasing", "erased"
# People that are remembered, each in some 700 bytes: at most 14 MB of a function's memory.
PEOPLE = 20_000
SECONDS = 50.0
# New people that are written at once, and seconds after which no further one is begun.
WRITERS, WRITING_SECONDS = 16, 8.0
_ATTEMPTS = 4
# What makes a statement the same as another one.
_SAID = ("granted", "version")
_random = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Person:
    """A person as events need one.

    Attributes:
        subject: a random number (`identities`), which names the person wherever the name must not be; 0 for one who was erased.
        key: that values are sealed with, 32 bytes; empty for one who was erased.
        state: `active`, `restricted`, `erasing` or `erased`.
        consents: purpose → what was said of it, in DynamoDB's form.
        erased_at: UTC text of the moment up to which who had the name was erased; empty if nobody was.
        erasure: the request for that.
        who: the user's id, sealed with the key; empty for sessions, and for one who was erased.
    """

    subject: int
    key: bytes = field(repr=False)
    state: str = ACTIVE
    consents: Mapping[str, Any] = field(default_factory=dict)
    erased_at: str = ""
    erasure: str = ""
    who: bytes = field(default=b"", repr=False)


class Remembered:
    """People by key of an item, the least recently used of too many forgotten, each for so many seconds at most."""

    def __init__(
        self, people: int = PEOPLE, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._seconds, self._clock = people, seconds, clock
        self._held: OrderedDict[str, tuple[float, Person]] = OrderedDict()

    def get(self, key: str) -> Person | None:
        """The person, if it was read or written in the last seconds."""
        found = self._held.get(key)
        if found is None or self._clock() - found[0] > self._seconds:
            return None
        self._held.move_to_end(key)
        return found[1]

    def put(self, key: str, person: Person, read_at: float) -> None:
        """Remembers a person from the moment at which its item was asked for."""
        self._held[key] = (read_at, person)
        self._held.move_to_end(key)
        while len(self._held) > self._most:
            self._held.popitem(last=False)

    def forget(self, key: str) -> None:
        """Forgets a person, whose item has changed."""
        self._held.pop(key, None)

    def now(self) -> float:
        """The moment, on the clock that decides what is too old."""
        return self._clock()


class Subjects:
    """People of all tenants; a tenant reaches its own and no other's, as every key begins with it."""

    def __init__(self, table: Table, tenant_keys: TenantKeys, remembered: Remembered | None = None) -> None:
        """Makes no call.

        Args:
            table: SubjectKeys.
            tenant_keys: of the use `privacy-key`.
            remembered: what this warm function knows; a new one where None.
        """
        self._table, self._tenant_keys = table, tenant_keys
        self._remembered = remembered or Remembered()
        self._workers = WorkerPool(WRITERS, "people")

    def secrets(self, org: str) -> TenantSecrets:
        """The tenant's keys.

        Raises:
            RetryableError: Metadata or KMS did not answer.
        """
        return secrets(self._tenant_keys, org)

    def known_or_new(self, org: str, names: Iterable[str]) -> dict[str, Person]:
        """The people of these names, made where there are none: a read for each 100 that are not remembered.

        Args:
            org: the tenant.
            names: as `person.name_of` makes them.

        Returns:
            Name → person, without those whose item could not be written: the same call may succeed later. One who was erased is
            not made anew (`returned`).

        Raises:
            RetryableError: the table or KMS did not answer.
        """
        return self._people(org, names, lambda person: person is None)

    def known(self, org: str, names: Iterable[str]) -> dict[str, Person]:
        """Those of these names that there are; nobody is made. A read for each 100 that are not remembered.

        Raises:
            RetryableError: the table or KMS did not answer.
        """
        return self._people(org, names, lambda _: False)

    def returned(self, org: str, names: Iterable[str]) -> dict[str, Person]:
        """New people in the place of those of these names who were erased, as `known_or_new` gives them.

        Raises:
            RetryableError: the table or KMS did not answer.
        """
        return self._people(org, names, lambda person: person is not None and person.state == ERASED)

    def _people(
        self, org: str, names: Iterable[str], is_made: Callable[[Person | None], bool]
    ) -> dict[str, Person]:
        """The people of these names; made anew are those of whom, as they were found, `is_made` says so."""
        secret = self.secrets(org)
        places = {name: person_key(org, secret, name) for name in names}
        found = self._read(org, secret, places.values())
        made = [(place, name) for name, place in places.items() if is_made(found.get(place))]
        if made:
            self._make(org, secret, made, found)
        return {name: found[place] for name, place in places.items() if place in found}

    def put_consent(
        self, org: str, name: str, purpose: str, statement: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """Stores what a person has said of a purpose, in place of what was said before.

        Of calls at once the one that is written last is the newest: its moment is behind the one before, whatever the callers' clocks say.

        Returns:
            The statement that holds from now on: this one, or the one in which the same was said before; None where there is no
            such person, or where one is left who was erased.

        Raises:
            RetryableError: others change the same person at this moment.
            MillraceError: the table did not answer.
        """
        place = person_key(org, self.secrets(org), name)
        key = {"subjectKey": {"S": place}}
        for _ in range(_ATTEMPTS):
            row = self._table.get(key, consistent=True, doing="read consents")
            if row is None or "consents" not in row:
                return None
            held: Mapping[str, Any] | None = row["consents"]["M"].get(purpose)
            if held is not None and all(held["M"][part] == statement["M"][part] for part in _SAID):
                statement = held
            elif held is not None:
                statement = consent.behind(statement, held)
            consents = {**row["consents"]["M"], purpose: statement}
            number, state = int(row["subject"]["N"]), row["state"]
            listed = listing.entry(number, consents, restricted=state["S"] == RESTRICTED)
            # An item of before there was a list may lack what it says.
            if statement is held and row.get(listing.LISTED, {}).get("S") == listed:
                return held
            clauses, values = listing.change(org, listed)
            written = self._table.update(
                key,
                f"SET consents = :said{clauses}",
                condition="consents = :read AND #state = :state",
                names={"#state": "state"},
                values={":said": {"M": consents}, ":read": row["consents"], ":state": state, **values},
                doing="write consent",
            )
            self._remembered.forget(place)
            if written:
                return statement
        raise RetryableError("others change the same person at this moment")

    def of_numbers(self, org: str, numbers: Iterable[int]) -> dict[int, Person]:
        """The people of these numbers, without those that there are not (any more).

        Raises:
            RetryableError: the table or KMS did not answer.
        """
        wanted = set(numbers)
        if not wanted:
            return {}
        read_at = self._remembered.now()
        found = {one: person for one in wanted if (person := self._remembered.get(subject_key(org, one)))}
        left = [{"subjectKey": {"S": subject_key(org, one)}} for one in wanted - found.keys()]
        rows = self._table.batch_get(left, doing="read people")
        # What is left of a person who was erased names no item.
        places = [keys.join(org, "person", row["person"]["S"]) for row in rows if "person" in row]
        if places:
            for person in self._read(org, self.secrets(org), places).values():
                # The name may have been taken by a new person since.
                if person.subject in wanted:
                    found[person.subject] = person
                    self._remembered.put(subject_key(org, person.subject), person, read_at)
        return found

    def users(self, org: str, numbers: Iterable[int]) -> dict[int, str]:
        """Number → the user's id, of those whose values may be shown.

        Raises:
            RetryableError: the table or KMS did not answer.
        """
        return users(org, self.of_numbers(org, numbers))

    def ids(self, org: str, users: Iterable[str], purpose: str = "") -> dict[str, str]:
        """The user's id → what is stored in its place: the number of the person; of those who are not known, the id itself.

        What is given is an id and nothing else: a number of somebody else, which nobody has as an id, is nobody's
        (`identities.NOBODY`). So is, with a `purpose`, who is restricted or being erased, or has withdrawn it.

        Raises:
            RetryableError: the table or KMS did not answer.
        """
        return {user: forms[0] for user, forms in self.forms(org, users, purpose).items()}

    def forms(self, org: str, users: Iterable[str], purpose: str = "") -> dict[str, tuple[str, ...]]:
        """The user's id → what rows of the user may be found by, as `ids` gives it first.

        It is the person's number, and the id as it is, which rows from before users were numbers have. An id that is the number
        of somebody finds no such rows: they are that person's.

        Raises:
            RetryableError: the table or KMS did not answer.
        """
        names = {user: of_user(user) for user in users}
        known = self.known(org, names.values())
        taken = self.taken(org, (int(user) for user in names if identities.is_number(user)))
        found: dict[str, tuple[str, ...]] = {}
        for user, name in names.items():
            person = known.get(name)
            number = (str(person.subject),) if person is not None and person.subject else ()
            before = () if identities.is_number(user) and int(user) in taken else (user,)
            if person is not None and purpose and _is_hidden(person, purpose):
                number, before = (), ()
            found[user] = tuple(dict.fromkeys((*number, *before))) or (identities.NOBODY,)
        return found

    def numbers(self, org: str, users: Iterable[str]) -> dict[str, str]:
        """The user's id → the person's number, of those who are known and were not erased.

        Raises:
            RetryableError: the table or KMS did not answer.
        """
        names = {user: of_user(user) for user in users}
        known = self.known(org, names.values())
        return {
            user: str(known[name].subject)
            for user, name in names.items()
            if name in known and known[name].subject
        }

    def taken(self, org: str, numbers: Iterable[int]) -> set[int]:
        """Those of these numbers that are somebody's, or were until an erasure.

        Raises:
            RetryableError: the table did not answer.
        """
        places = {subject_key(org, one): one for one in numbers}
        wanted = [{"subjectKey": {"S": place}} for place in places]
        rows = self._table.batch_get(wanted, projection="subjectKey", doing="read people") if wanted else ()
        return {places[row["subjectKey"]["S"]] for row in rows}

    def _read(self, org: str, secret: TenantSecrets, places: Iterable[str]) -> dict[str, Person]:
        """Those that there are, by the key of their item."""
        wanted = set(places)
        read_at = self._remembered.now()
        found = {place: person for place in wanted if (person := self._remembered.get(place))}
        left = [{"subjectKey": {"S": one}} for one in sorted(wanted - found.keys())]
        for row in self._table.batch_get(left, doing="read people"):
            place = row["subjectKey"]["S"]
            try:
                found[place] = person_of(org, secret, row)
            except seal.UnreadableError:
                # A damaged item is that person's trouble and nobody else's.
                continue
            self._remembered.put(place, found[place], read_at)
        return found

    def _make(
        self, org: str, secret: TenantSecrets, people: list[tuple[str, str]], found: dict[str, Person]
    ) -> None:
        """Adds new people, each by the key of the item and the name, to those that were found."""
        if len(people) == 1:
            ((place, name),) = people
            found.update(self._written(org, secret, place, name, found.get(place)))
            return
        left, end = list(people), time.monotonic() + WRITING_SECONDS

        def write() -> None:
            while left and time.monotonic() < end:
                try:
                    place, name = left.pop()
                except IndexError:
                    return
                found.update(self._written(org, secret, place, name, found.get(place)))

        self._workers.run(write, len(people))

    def _written(
        self, org: str, secret: TenantSecrets, place: str, name: str, gone: Person | None
    ) -> dict[str, Person]:
        """The person of an item: the one that this call made, or the one that another copy was first to make; or none.

        `gone`: who had the name and was erased, if anybody was.
        """
        for _ in range(_ATTEMPTS):
            read_at = self._remembered.now()
            person = _new(org, name)
            if gone is not None:
                person = replace(person, erased_at=gone.erased_at, erasure=gone.erasure)
            try:
                if not self._table.transact(_items(org, secret, place, person), doing="write person"):
                    wanted = [{"subjectKey": {"S": place}}]
                    rows = list(self._table.batch_get(wanted, consistent=True, doing="read person"))
                    if not rows:
                        continue  # another person has the number
                    person = person_of(org, secret, rows[0])
                    if person.state == ERASED and gone is not None and person.erased_at != gone.erased_at:
                        gone = person
                        continue
            except RetryableError:
                # Throttled, or in the midst of another copy's transaction on the same person.
                time.sleep(random.uniform(0, 0.05))  # noqa: S311  jitter
                continue
            except MillraceError:
                return {}
            self._remembered.put(place, person, read_at)
            return {place: person}
        return {}


def _is_hidden(person: Person, purpose: str) -> bool:
    """Whether nothing of a person is read for a purpose."""
    if person.state != ACTIVE:
        return True
    listed = listing.entry(person.subject, person.consents, restricted=False)
    return listed is not None and str(person.subject) in listing.of_purpose([listed], purpose)


def person_key(org: str, secret: TenantSecrets, name: str) -> str:
    """Where the person of a name is in SubjectKeys."""
    return _person_key(org, secret.lookup, name)


@lru_cache(PEOPLE)
def _person_key(org: str, lookup: bytes, name: str) -> str:
    return keys.join(org, "person", short_digest(lookup, name))


def subject_key(org: str, subject: int) -> str:
    """Where it says which person has a number."""
    return keys.join(org, "subject", str(subject))


def _items(org: str, secret: TenantSecrets, place: str, person: Person) -> list[dict[str, Any]]:
    item = {
        "subjectKey": {"S": place},
        "subject": {"N": str(person.subject)},
        "wrapped": {"B": seal.seal(secret.wrap, _binding(org, person.subject), person.key)},
        "state": {"S": person.state},
        "consents": {"M": {}},
    }
    number = {
        "subjectKey": {"S": subject_key(org, person.subject)},
        "person": {"S": place.rpartition(keys.SEPARATOR)[2]},
    }
    if person.who:
        item["who"] = {"B": person.who}
    condition = "attribute_not_exists(subjectKey)"
    new: dict[str, Any] = {"Item": item, "ConditionExpression": condition}
    if person.erased_at:
        item |= {"erasedAt": {"S": person.erased_at}, "erasure": {"S": person.erasure}}
        new = {
            "Item": item,
            "ConditionExpression": "#state = :erased AND erasedAt = :at",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {":erased": {"S": ERASED}, ":at": {"S": person.erased_at}},
        }
    return [{"Put": new}, {"Put": {"Item": number, "ConditionExpression": condition}}]


def person_of(org: str, secret: TenantSecrets, row: Item) -> Person:
    """The person of an item.

    Raises:
        UnreadableError: its key was wrapped for another person, or is damaged.
    """
    erased_at, erasure = (row[name]["S"] if name in row else "" for name in ("erasedAt", "erasure"))
    if row["state"]["S"] == ERASED:
        return Person(0, b"", ERASED, erased_at=erased_at, erasure=erasure)
    subject = int(row["subject"]["N"])
    key = seal.unseal(secret.wrap, _binding(org, subject), bytes(row["wrapped"]["B"]))
    who = bytes(row["who"]["B"]) if "who" in row else b""
    return Person(subject, key, row["state"]["S"], row["consents"]["M"], erased_at, erasure, who)


def users(org: str, people: Mapping[int, Person]) -> dict[int, str]:
    """Number → the user's id of these people, of those whose values may be shown."""
    found: dict[int, str] = {}
    for number, person in people.items():
        try:
            user = user_of(org, person) if person.state == ACTIVE else None
        except seal.UnreadableError:
            continue
        if user is not None:
            found[number] = user
    return found


def user_of(org: str, person: Person) -> str | None:
    """The user's id of a person; None for a session, and for one who was erased.

    Raises:
        UnreadableError: the item is damaged.
    """
    if not person.who:
        return None
    return seal.unseal(person.key, _who(org, person.subject), person.who).decode("utf-8", "surrogatepass")


def drawn() -> int:
    """A number of a person, drawn anew: that of somebody new, or of nobody, where nothing is to lead back from it."""
    return identities.LEAST | _random.getrandbits(identities.BITS)


def _new(org: str, name: str) -> Person:
    number, key, user = drawn(), seal.new_key(), user_in(name)
    written = b"" if user is None else user.encode("utf-8", "surrogatepass")
    return Person(number, key, who=seal.seal(key, _who(org, number), written) if user is not None else b"")


def _who(org: str, subject: int) -> list[Any]:
    return ["who", org, subject]


def _binding(org: str, subject: int) -> list[Any]:
    return ["person", org, subject]
