"""Where an event names people, and what is stored there: the person's number in place of the user's id. Pure.

An event is about a person in `userId`, and where its contract points with `subject` and `userId`; it mentions others where the contract
points with `users`, some of them only where a condition on another field holds, and where the doors of other producers write who has
not signed in. All of them leave intake as
numbers of 16 digits, as text or integer as the field was; reads for people put the ids back. The platform's own events, which
never pass intake, may name people within texts, too, such as `user:4503599627370497` as the subject of an alert. Such texts quote
what clients sent as well, and what only looks like a number of somebody stays: a text names the event's user, and whom it is about.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from millrace.contracts import conditions, pointers
from millrace.contracts.conditions import Holds
from millrace.contracts.contract import Contract
from millrace.contracts.fields import fields
from millrace.contracts.stored_form import NUMBER_BITS, subject_pointers, user_pointers

# Numbers of people are from 2^52 to below 2^53, so all have 16 digits; these bits of them are drawn.
BITS = NUMBER_BITS - 1
LEAST = 1 << BITS
# What stands for nobody where a number has to stand: the first that no person can have.
NOBODY = str(2 * LEAST)
# How such a number is found in the JSON of a stored event, without parsing what has none.
WRITTEN = re.compile(rb"[4-9][0-9]{15}")
_ENVELOPE = ("userId",)
_USER = "user:"
# Where the doors of other producers write the id of a visitor who has not signed in, whatever the type of the event:
# `producers/segment.py`, and of Snowplow's tracker the domain's and the network's.
VISITORS = ("/data/metadata/anonymousId", "/data/metadata/tracker/duid", "/data/metadata/tracker/nuid")
_DIGITS = re.compile(r"[4-9][0-9]{15}")
_IN_TEXT = re.compile(r"(?<![0-9])[4-9][0-9]{15}(?![0-9])")

_NOBODY: frozenset[str] = frozenset()

Parts = tuple[str, ...]
Change = Callable[[str], str | None]
"""From what stands there, as text, to what is to stand there; None leaves it."""


def is_number(text: str) -> bool:
    """Whether a text is what a person's number looks like."""
    return _DIGITS.fullmatch(text) is not None and LEAST <= int(text) < 2 * LEAST


def named(user: Any, subject: Any) -> set[int]:
    """Whom the texts of one of the platform's own events may name.

    Args:
        user: of the event, as it is stored.
        subject: what the event is about; a user such as `user:4503599627370497`, and nothing else that has such digits.
    """
    about = subject.removeprefix(_USER) if isinstance(subject, str) and subject.startswith(_USER) else ""
    return {int(one) for one in (user, about) if isinstance(one, str) and is_number(one)}


def with_ids(text: str, users: Mapping[int, str]) -> str:
    """A text with the ids of these users in place of their numbers, which are whom the text may name (`named`)."""
    return _IN_TEXT.sub(lambda found: users.get(int(found[0]), found[0]), text)


class Identities:
    """The places where events of one contract name people."""

    __slots__ = ("_in_texts", "_mentions", "_places", "_visitors")

    def __init__(
        self,
        places: Iterable[Parts] = (),
        mentions: Iterable[tuple[Parts, Holds | None]] = (),
        *,
        visitors: Iterable[Parts] = (),
        in_texts: bool = False,
    ) -> None:
        """Makes them.

        Args:
            places: of those whom the event is about, besides the envelope's `userId`.
            mentions: of others, each with what must hold of the event for a user to stand there.
            visitors: within metadata, where producers' doors write whom they do not know yet.
            in_texts: whether texts of the payload may name people, too, in events as they are stored.
        """
        self._places, self._in_texts = tuple(dict.fromkeys((_ENVELOPE, *places))), in_texts
        self._mentions, self._visitors = tuple(mentions), tuple(visitors)

    def users(self, envelope: Mapping[str, Any]) -> tuple[str, ...]:
        """What stands there, as text: ids of users in what was sent, numbers in what is stored."""
        return _texts_at(envelope, self._of(envelope))

    def mentioned(self, envelope: Mapping[str, Any]) -> frozenset[str]:
        """Those of them whom the event only mentions, and is not about."""
        there = _texts_at(envelope, self._of(envelope)[len(self._places) :])
        return frozenset(there).difference(_texts_at(envelope, self._places)) if there else _NOBODY

    def rewritten(self, envelope: Mapping[str, Any], change: Change) -> Any:
        """A copy with what `change` says in each place, an integer where there was one; the same object where nothing changes."""
        made: Any = envelope
        for place in self._of(envelope):
            old = pointers.read(envelope, place)
            text = old if old.__class__ is str else pointers.as_text(old)
            new = change(text) if text else None
            if new is not None:
                made = _put(made, place, 0, new if text is old else int(new))
        return made

    def restored(self, envelope: Mapping[str, Any], users: Mapping[int, str]) -> Any:
        """A stored envelope with the ids of these users in place of their numbers."""
        made = self.rewritten(envelope, lambda text: users.get(int(text)) if is_number(text) else None)
        # Of the envelope as it is stored: an id that was put back is nobody's number, whatever it looks like.
        about = {one: users[one] for one in self._about(envelope) if one in users}
        texts = self._texts(envelope) if about else {}
        changed = {name: new for name, text in texts.items() if (new := with_ids(text, about)) != text}
        if not changed:
            return made
        return {**made, "data": {**made["data"], "payload": {**made["data"]["payload"], **changed}}}

    def numbers(self, envelope: Mapping[str, Any]) -> set[int]:
        """The numbers of people that a stored envelope has."""
        return self._about(envelope).union(int(one) for one in self.users(envelope) if is_number(one))

    def _about(self, envelope: Mapping[str, Any]) -> set[int]:
        """Whom texts of the payload may name."""
        if not self._in_texts:
            return set()
        return named(envelope.get("userId"), envelope["data"]["payload"].get("subject"))

    def _of(self, envelope: Mapping[str, Any]) -> Sequence[Parts]:
        """The places in which this event names people."""
        visitors = self._visitors if self._visitors and _has_visitor(envelope) else ()
        if not (self._mentions or visitors):
            return self._places
        there = (place for place, holds in self._mentions if holds is None or holds(envelope))
        return (*self._places, *there, *visitors)

    def _texts(self, envelope: Mapping[str, Any]) -> dict[str, str]:
        """The texts of the payload that may name people, by their names."""
        payload = envelope["data"]["payload"]
        return {
            name: value
            for name, value in payload.items()
            if isinstance(value, str) and ("data", "payload", name) not in self._places
        }


def of(contract: Contract) -> Identities:
    """The places of a contract. A protected field is none: its value has left the event already."""
    listed = user_pointers(contract)
    known = fields(contract) if any(one["where"] for one in contract.users) else {}
    # A contract that has such a field says itself what it is.
    visitors = [one for one in VISITORS if not contract.derived and one not in contract.classification]
    return Identities(
        map(pointers.parse, sorted(subject_pointers(contract))),
        [
            (pointers.parse(one["pointer"]), conditions.holds(one["where"], known) if one["where"] else None)
            for one in contract.users
            if one["pointer"] in listed
        ],
        visitors=map(pointers.parse, visitors),
        in_texts=contract.derived,
    )


def _has_visitor(envelope: Mapping[str, Any]) -> bool:
    """Whether any of these fields may be there. It runs for every event, and few have one."""
    try:
        metadata = envelope["data"]["metadata"]
        is_there = "anonymousId" in metadata or "tracker" in metadata
    except (KeyError, TypeError):
        return False
    return is_there


def _texts_at(envelope: Mapping[str, Any], places: Sequence[Parts]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for place in places:
        value = pointers.read(envelope, place)
        # Most ids are texts already, and this runs for every event.
        text = value if value.__class__ is str else pointers.as_text(value)
        if text:
            found[text] = None
    return tuple(found)


def _put(value: Any, place: Parts, depth: int, new: Any) -> Any:
    name = place[depth]
    return {**value, name: new if depth + 1 == len(place) else _put(value[name], place, depth + 1, new)}
