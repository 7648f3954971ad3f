"""Whom a refused event is about. Pure.

It is read as its contract would: the envelope's user, and what the contract calls its subject and its user. What cannot be
parsed is looked through for a field that is called like a user's id.
"""

import re
from typing import Any

import orjson

from millrace.contracts import pointers
from millrace.contracts.registry import Registry

_ENVELOPE = "/userId"
_WRITTEN = re.compile(r'"user_?id"\s*:\s*"?((?:[^"\\\s,}]|\\.)+)', re.IGNORECASE)


class Mentions:
    """Finds what is about one person."""

    def __init__(self, registry: Registry, user: str) -> None:
        """`user`: as events call the person."""
        self._registry, self._user = registry, user
        written = re.escape(orjson.dumps(user)[1:-1].decode())
        self._text = re.compile(rf'"user_?id"\s*:\s*"?{written}["\s,}}]', re.IGNORECASE)

    def __call__(self, raw: bytes) -> bool:
        """Whether these bytes, as they were sent, are about the person."""
        events = _events(raw)
        if events is None:
            return self._text.search(raw.decode("utf-8", "replace")) is not None
        return any(self._user in _users(self._registry, one) for one in events)


def users(registry: Registry, raw: bytes) -> set[str]:
    """How these bytes, as they were sent, name the people whom they are about."""
    events = _events(raw)
    if events is None:
        return set(map(_unescaped, _WRITTEN.findall(raw.decode("utf-8", "replace"))))
    return {user for one in events for user in _users(registry, one)}


def _events(raw: bytes) -> list[dict[str, Any]] | None:
    """None where it cannot be parsed."""
    try:
        event = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return [one for one in (event if isinstance(event, list) else [event]) if isinstance(one, dict)]


def _users(registry: Registry, event: dict[str, Any]) -> set[str]:
    majors = registry.majors(str(event.get("eventType"))).values()
    asked = {
        _ENVELOPE,
        *(one for contract in majors for one in (contract.subject, contract.user_id_pointer) if one),
    }
    found = (pointers.as_text(pointers.read(event, pointers.parse(pointer))) for pointer in asked)
    return {user for user in found if user}


def _unescaped(written: str) -> str:
    try:
        return str(orjson.loads(f'"{written}"'))
    except orjson.JSONDecodeError:
        return written
