"""Stored events as a caller may see them: with the values of people, or with what stands in their places."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from millrace.contracts.contract import Contract
from millrace.contracts.errors import UnknownType, UnknownVersion
from millrace.contracts.registry import Registry
from millrace.privacy import identities, places, stored_form, subjects
from millrace.privacy.identities import WRITTEN, Identities
from millrace.privacy.places import Places
from millrace.privacy.seal import UnreadableError
from millrace.privacy.stored_form import CONFIDENTIAL, Envelope
from millrace.privacy.subjects import ACTIVE, Person, Subjects
from millrace.privacy.tokens import is_token, token

# How the block of sealed values begins in the JSON of a stored envelope, whatever its contract says today.
_BLOCK = b'"sealed":{'


@dataclass(frozen=True, slots=True)
class StoredBody:
    """A stored event that nobody has parsed: its type, and its envelope as JSON."""

    event_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """What a caller sees.

    Attributes:
        bodies: the envelopes as JSON, in order.
        disclosed: the ids of the events in which it sees protected values.
        subjects: the numbers of the people whom these events are about, in order.
    """

    bodies: list[bytes]
    disclosed: list[str]
    subjects: list[str]


class PersonalReads:
    """Shows events of one tenant at a time. Those with neither people nor protected values stay as stored, and are not parsed."""

    def __init__(self, registry: Registry, subjects: Subjects) -> None:
        """Makes no call."""
        self._registry, self._subjects = registry, subjects
        self._places: dict[str, tuple[Places, Identities]] = {}

    def shown(self, org: str, events: Sequence[StoredBody], *, clear: bool) -> Shown:
        """The events, with values where `clear`, else with tokens and `sealed`; never with the sealed values themselves.

        Users are called by their ids, as they were sent. Values and ids that nobody can read, because the person was erased, or that
        nobody may, because the person asked for that, stay tokens, `sealed` and numbers.

        Args:
            org: the tenant, whose events they all are.
            events: as they were stored.
            clear: whether the caller may see values.

        Raises:
            MillraceError: keys could not be read.
        """
        bodies = [event.body for event in events]
        # Each is parsed by itself and let go: parsed, a page of large events takes many times its bytes.
        known = self._subjects.of_numbers(org, self._numbers(bodies, clear=clear))
        people = {number: person for number, person in known.items() if person.state == ACTIVE}
        users = subjects.users(org, people)
        disclosed: list[str] = []
        about: set[int] = set()
        for index, event in enumerate(events):
            is_protected = self._is_protected(event)
            if not is_protected and WRITTEN.search(event.body) is None:
                continue
            envelope = orjson.loads(event.body)
            where, identity = self._of(envelope)
            made = self._in_clear(envelope, people) if clear and is_protected else None
            if made is None:
                made = stored_form.hidden(envelope, where, self._token_key(org))
            elif where.holds(made):
                disclosed.append(str(envelope["eventId"]))
                about |= identity.numbers(envelope)
                if blob := stored_form.blob(envelope):
                    about.add(blob.subject)
            made = identity.restored(made, users)
            if made is not envelope:
                bodies[index] = _written(made)
        return Shown(bodies, disclosed, [str(one) for one in sorted(about)])

    def _numbers(self, bodies: Sequence[bytes], *, clear: bool) -> set[int]:
        """The people whom these events name, and, for who sees values, for whom their values are sealed."""
        found: set[int] = set()
        for body in bodies:
            if WRITTEN.search(body) is None:
                continue
            envelope = orjson.loads(body)
            found |= self._of(envelope)[1].numbers(envelope)
            if clear and (blob := stored_form.blob(envelope)):
                found.add(blob.subject)
        return found

    @staticmethod
    def _in_clear(envelope: Envelope, people: Mapping[int, Person]) -> Envelope | None:
        """The envelope with its values; None where nobody can read them, or may."""
        blob = stored_form.blob(envelope)
        if blob is None:
            # A row from before anything was protected.
            return stored_form.shown(envelope, {})
        if blob.subject not in people:
            return None
        try:
            return stored_form.shown(envelope, stored_form.values(envelope, people[blob.subject].key))
        except UnreadableError:
            return None

    def sealed_part(self, body: bytes) -> Envelope:
        """Of a stored envelope what names and holds its confidential values; far less than the envelope where that is large."""
        envelope = orjson.loads(body)
        head = {name: envelope[name] for name in ("eventId", "eventType", "platform")}
        clear: dict[str, Any] = {}

        def look(pointer: str, kind: str, value: Any) -> Any:
            if kind == CONFIDENTIAL and isinstance(value, str) and not is_token(value):
                clear[pointer] = value
            return value

        # Rows from before anything was protected have their values in clear.
        self._of(envelope)[0].rewritten(envelope, look)
        return {**head, "clear": clear}

    @staticmethod
    def subject(part: Envelope) -> str | None:
        """The number of the person for whom values of a stored event are sealed; None where none are. `part`: of `sealed_part`."""
        blob = stored_form.blob(part)
        return None if blob is None else str(blob.subject)

    def by_token(self, org: str, parts: Mapping[str, Envelope]) -> dict[str, dict[str, str]]:
        """The values that events have, by their tokens; none of those that nobody can read (any more), or may.

        Args:
            org: the tenant, whose events they all are.
            parts: by any name, as `sealed_part` made them.

        Raises:
            MillraceError: keys could not be read.
        """
        blobs = {name: blob for name, part in parts.items() if (blob := stored_form.blob(part))}
        people = self._subjects.of_numbers(org, {one.subject for one in blobs.values()})
        found: dict[str, dict[str, str]] = {}
        for name, part in parts.items():
            values = dict(part["clear"])
            person = people.get(blobs[name].subject) if name in blobs else None
            if person is not None and person.state == ACTIVE:
                try:
                    values |= stored_form.values(part, person.key)
                except UnreadableError:
                    continue
            if texts := [value for value in values.values() if isinstance(value, str)]:
                key = self._subjects.secrets(org).token
                found[name] = {token(key, text): text for text in texts}
        return found

    def _is_protected(self, event: StoredBody) -> bool:
        return _BLOCK in event.body or any(
            self._of_contract(one)[0] for one in self._registry.majors(event.event_type).values()
        )

    def _of(self, envelope: dict[str, Any]) -> tuple[Places, Identities]:
        try:
            return self._of_contract(self._registry.of_ref(envelope["platform"]["contract"]))
        except (UnknownType, UnknownVersion):
            # Its values are in the blob, whose pointers say where they belong.
            return Places({}), Identities()

    def _of_contract(self, contract: Contract) -> tuple[Places, Identities]:
        found = self._places.get(contract.ref)
        if found is None:
            found = self._places[contract.ref] = places.of(contract), identities.of(contract)
        return found

    def _token_key(self, org: str) -> Callable[[], bytes]:
        # Only rows from before anything was protected need it.
        return lambda: self._subjects.secrets(org).token


def _written(envelope: Envelope) -> bytes:
    try:
        return orjson.dumps(envelope)
    except orjson.JSONEncodeError:
        # A row from before there was a limit may nest deeper than orjson writes.
        return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
