"""Whom a refused event may be about. Pure, and bounded in time and memory, whatever was sent.

What can be parsed is walked through for fields that are called like a user's id in any spelling (`userId`, `user_id`), for those that a
contract of its type calls its subject or its user, and for JSON that was written as one text. What cannot be parsed is looked
through for the same names. Where that may leave somebody out (it cannot be parsed, or is too large), it is about somebody unknown.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from millrace.contracts import pointers
from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry
from millrace.contracts.type_names import renamed
from millrace.core import exact_json
from millrace.privacy import identities

# Values that are looked at, bytes that are parsed or looked through, people of one event, and texts within texts.
VALUES, BYTES, PEOPLE, NESTED = 10_000, 1024 * 1024, 32, 3
# Fields that are called like a user's id, of what cannot be parsed.
FIELDS = 1_000
# Shorter ids occur anywhere; they are found by the name of their field alone.
_LEAST = 3
_USERS = frozenset(
    {"userid", "user", "uid", "username", "useremail", "customerid", "memberid", "personid", "accountid"}
)
# What a contract may call a person, and any other event something else.
_ANYTHING = frozenset({"id", "name", "key", "subject", "value", "code", "type"})
# Where an object belongs; a text there may be a whole event.
_IDS = frozenset({"id", "ids"})
_OBJECTS = frozenset({"data", "database64", "payload", "metadata", "detail", "event", "body"})
_NO_LETTER = re.compile("[^a-z0-9]+")
_FIELD = re.compile(r"""(?<![\w-])(\w[\w-]{0,63}+)\\*["']?\s{0,64}[:=]\s{0,64}""")
_VALUE = re.compile(
    r"""\\+"([^"\\]{1,512})|"((?:[^"\\]|\\.){1,512})|'([^'\\]{1,512})|([^\s,}\]&"'\\{\[]{1,512})"""
)
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_TORN = re.compile(r"""[^"'\\\s:=,{}\[\]]+$""")


@dataclass(frozen=True, slots=True)
class Mentioned:
    """Whom an event may be about.

    Attributes:
        users: ids, as the event says them.
        whole: there is nobody else; where false, it may be about somebody unknown as well.
    """

    users: frozenset[str]
    whole: bool


@dataclass(slots=True)
class _Search:
    """One event, and what is left to be looked at."""

    names: frozenset[str]
    users: set[str] = field(default_factory=set)
    whole: bool = True
    values: int = VALUES
    bytes: int = BYTES

    def add(self, value: Any) -> None:
        text = pointers.as_text(value)
        for user in {text, text.strip()} if text else ():
            if len(self.users) >= PEOPLE and user not in self.users:
                self.whole = False
            elif user:
                self.users.add(user)

    def look(self, value: Any, *, nested: int = 0) -> None:
        """Looks through a value that was parsed."""
        left: list[tuple[Any, bool, bool]] = [(value, False, True)]
        while left:
            if self.values <= 0:
                self.whole = False
                return
            self.values -= 1
            one, is_user, is_object = left.pop()
            if isinstance(one, dict):
                for name, inner in self._first(one.items()):
                    plain = spelled(name)
                    names_user = plain in self.names or (is_user and plain in _IDS)
                    left.append((inner, names_user, plain in _OBJECTS))
            elif isinstance(one, list):
                left.extend((inner, is_user, is_object) for inner in self._first(one))
            elif is_user:
                self.add(one)
            elif isinstance(one, str) and (is_object or one.lstrip()[:1] in ("{", "[")):
                self._text(one, nested)

    def _first(self, many: Any) -> Iterator[Any]:
        for number, one in enumerate(many):
            if number >= self.values:
                self.whole = False
                return
            yield one

    def _text(self, text: str, nested: int) -> None:
        if nested < NESTED and len(text) <= self.bytes:
            self.bytes -= len(text)
            try:
                value = orjson.loads(text)
            except (orjson.JSONDecodeError, UnicodeEncodeError):
                value = None
            if isinstance(value, (dict, list)):
                self.look(value, nested=nested + 1)
                return
        self.scan(text)

    def scan(self, text: str) -> None:
        """Looks through what cannot be parsed."""
        self.whole = False
        text = text[: max(0, self.bytes)]
        for value in fields(_unescaped(text) if "\\u" in text else text, self.names):
            self.add(value)
        self.bytes -= len(text)


class Mentions:
    """Finds whom refused events may be about."""

    def __init__(self, registry: Registry) -> None:
        """`registry`: the contracts in force, which say how types call their people."""
        self._registry = registry
        called = {
            spelled(pointer.rpartition("/")[2])
            for contract in registry.contracts
            for pointer in _places(contract)
        }
        self._names = frozenset((called - _ANYTHING) | _USERS)

    def of(self, *texts: bytes | None) -> Mentioned:
        """Whom an event may be about that came as these bytes."""
        search = _Search(self._names)
        for raw in texts:
            if raw is not None:
                self._look(search, raw)
        return Mentioned(frozenset(search.users), search.whole)

    def may_name(self, raw: bytes, user: str) -> bool:
        """Whether bytes in which not everybody could be found may be about a user: its id stands in them in any place."""
        text = _text_of(raw)
        for written in {text, _unescaped(text)}:
            if len(user) >= _LEAST and _around(user).search(written):
                return True
            if any(user in (value, value.strip()) for value in fields(written, self._names)):
                return True
            torn = _TORN.search(written[-512:])
            if torn is not None and len(torn[0]) >= _LEAST and user.startswith(torn[0]):
                return True
        return user in self.of(raw).users

    def _look(self, search: _Search, raw: bytes) -> None:
        event: Any = None
        try:
            if len(raw) <= BYTES:
                event = exact_json.loads(raw)[0]
        except (orjson.JSONDecodeError, RecursionError):
            event = None
        if event is None:
            search.scan(_text_of(raw[:BYTES]))
            return
        for one in event[:VALUES] if isinstance(event, list) else (event,):
            for pointer in self._pointers(one):
                search.add(_loosely(one, pointers.parse(pointer)))
        search.look(event)

    def _pointers(self, event: Any) -> Iterator[str]:
        """Where the contracts of an event's type have the people whom it is about."""
        if not isinstance(event, dict):
            return
        named = event.get("eventType", event.get("event_type"))
        event_type = renamed({"eventType": named}, self._registry.type_names)["eventType"]
        if not isinstance(event_type, str):
            return
        for contract in self._registry.majors(event_type).values():
            yield from _places(contract)


def _places(contract: Contract) -> set[str]:
    """Where a contract has people, whether the event is about them or mentions them, protected or not."""
    listed = (contract.subject, contract.user_id_pointer, *(one["pointer"] for one in contract.users))
    return {*filter(None, listed), *identities.VISITORS}


def spelled(name: str) -> str:
    """A field's name without its spelling: `user_id`, `userId` and `User-ID` are one."""
    return _NO_LETTER.sub("", name[:64].lower())


def fields(text: str, names: frozenset[str]) -> Iterator[str]:
    """The values of fields with one of these names in a text of any form, at most `FIELDS`."""
    named = (match for match in _FIELD.finditer(text) if spelled(match[1]) in names)
    for match in islice(named, FIELDS):
        value = _VALUE.match(text, match.end())
        if value is not None:
            yield _of_json(value[2]) if value[2] else next(filter(None, value.groups()))


def _loosely(event: Any, parts: tuple[str, ...]) -> Any:
    """What stands at a place, whose names may be spelled otherwise."""
    for part in parts:
        if not isinstance(event, dict):
            return None
        if part in event:
            event = event[part]
        else:
            plain = spelled(part)
            event = next((inner for name, inner in event.items() if spelled(name) == plain), None)
    return event


def _around(user: str) -> re.Pattern[str]:
    """The id as a value of its own, not within a longer word or number."""
    return re.compile(rf"(?<![\w.:@-]){re.escape(user)}(?![\w.:@-])")


def _text_of(raw: bytes) -> str:
    """Bytes as text; of two bytes a character, each second one is empty."""
    return raw.replace(b"\0", b"").decode("utf-8", "replace")


def _of_json(written: str) -> str:
    try:
        return str(orjson.loads(f'"{written}"'))
    except orjson.JSONDecodeError:
        return written


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        return chr(int(match[1], 16))

    pairs = _ESCAPED.sub(character, text)
    return pairs.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\\/", "/")
