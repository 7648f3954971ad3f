"""What a provider sends as events of ours, by the file `schemas/webhooks/<provider>.yaml`. Pure.

A path is names with full stops between them; a number is a place in a list. A value that is not what a conversion takes
stays as it is, so that the contract refuses it and says where.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from millrace.core import clock

UNKNOWN_TYPE = "integration.webhook.received"
# `as` of a field → what it makes of a value.
CONVERSIONS = ("text", "lower", "upper", "decimal", "seconds", "milliseconds", "withoutQuery", "lastSegment")
# Decimals of a currency where the file does not list it.
USUAL_EXPONENT = 2
_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Expression:
    """What a field is made of: the first of the paths that leads to something, converted; or a constant."""

    paths: tuple[str, ...] = ()
    convert: str = ""
    const: Any = None
    # Path of the currency whose minor units the value counts; empty: it counts none.
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of one kind of message.

    Attributes:
        event_type: of ours.
        payload: field → what it is made of.
        when: path → the value that it must have; otherwise the next rule of the kind is looked at.
        correlation: paths of the correlation id, the first that leads to something.
        user: likewise of the user.
    """

    event_type: str
    payload: Mapping[str, Expression]
    when: Mapping[str, Any]
    correlation: tuple[str, ...] = ()
    user: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provider:
    """A file of `schemas/webhooks/`.

    Attributes:
        name: of the provider; the `eventSource` of its events.
        ids: paths that together name a message, the same in every delivery of it.
        kind: path of what kind of message it is.
        moment: when it happened.
        keep: paths that are kept of a message without a rule; what else it says is not stored.
        exponents: currency → decimals of its unit, where they are not two.
        rules: kind → the rules that are looked at, in their order.
    """

    name: str
    ids: tuple[str, ...]
    kind: str
    moment: Expression
    keep: tuple[str, ...]
    exponents: Mapping[str, int]
    rules: Mapping[str, tuple[Rule, ...]]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Provider":
        """As the bundle holds it."""
        moment = _expression(document["moment"])
        return cls(
            document["name"],
            tuple(document["ids"]),
            document["kind"],
            moment,
            tuple(document["keep"]),
            document["exponents"],
            {kind: tuple(_rule(one, moment) for one in rules) for kind, rules in document["rules"].items()},
        )

    def identity(self, message: Mapping[str, Any]) -> tuple[str, ...] | None:
        """What names a message; None where a part of it is missing."""
        parts = [_as_text(value(message, path)) for path in self.ids]
        return tuple(part for part in parts if part) if all(parts) else None

    def event(self, message: Mapping[str, Any], binding: str) -> dict[str, Any]:
        """The event of a message, without an id; without a timestamp where the message has none.

        Args:
            message: as it was parsed.
            binding: the source that it came by.
        """
        kind = value(message, self.kind)
        rules = self.rules.get(kind, ()) if isinstance(kind, str) else ()
        rule = next((one for one in rules if _applies(one, message)), None)
        event: dict[str, Any] = {"eventSource": self.name}
        moment = self._made(self.moment, message)
        if moment is not None:
            event["timestamp"] = moment
        if rule is None:
            kept = _kept(message, self.keep)
            received = {"webhookId": binding, "source": self.name, "payload": kept}
            return {**event, "eventType": UNKNOWN_TYPE, "data": {"payload": received}}
        event["eventType"] = rule.event_type
        payload = {}
        for name, one in rule.payload.items():
            # Most moments of a message are the one that it is of.
            made = moment if one is self.moment else self._made(one, message)
            if made is not None:
                payload[name] = made
        event["data"] = {"payload": payload}
        for name, paths in (("correlationId", rule.correlation), ("userId", rule.user)):
            found = _as_text(_first(message, paths))
            if found:
                event[name] = found
        return event

    def _made(self, one: Expression, message: Mapping[str, Any]) -> Any:
        if one.const is not None:
            return one.const
        found = _first(message, one.paths)
        if found is None:
            return None
        if one.currency:
            return self._decimal(found, value(message, one.currency))
        return _converted(one.convert, found) if one.convert else found

    def _decimal(self, units: Any, currency: Any) -> Any:
        """Minor units as a decimal: 1999 cents are 19.99, 1999 yen are 1999."""
        if not _is_whole(units) or not isinstance(currency, str):
            return units
        exponent = self.exponents.get(currency.upper(), USUAL_EXPONENT)
        # The quotient is rounded correctly, so its shortest form is the decimal that is meant, for as many digits as money has.
        return units / 10**exponent if units % 10**exponent else units // 10**exponent


def value(message: Any, path: str) -> Any:
    """What a path leads to; None where it leads nowhere."""
    # This runs for every field of every message, whose parser makes dicts and lists and nothing that extends them.
    for name in _names(path):
        if message.__class__ is dict:
            message = message.get(name)
            if message is None:
                return None
        elif message.__class__ is list and name.isascii() and name.isdigit() and int(name) < len(message):
            message = message[int(name)]
        else:
            return None
    return message


@lru_cache(maxsize=2048)
def _names(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def _first(message: Mapping[str, Any], paths: Sequence[str]) -> Any:
    for path in paths:
        found = value(message, path)
        if found is not None and found != "":
            return found
    return None


def _applies(rule: Rule, message: Mapping[str, Any]) -> bool:
    found = {path: value(message, path) for path in rule.when}
    # True is 1 to Python, and nobody means that.
    return all(
        type(found[path]) is type(wanted) and found[path] == wanted for path, wanted in rule.when.items()
    )


def _kept(message: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """The message with these paths alone."""
    kept: dict[str, Any] = {}
    for path in paths:
        found = value(message, path)
        if found is None:
            continue
        *above, last = _names(path)
        inner = kept
        for name in above:
            inner = inner.setdefault(name, {})
        inner[last] = found
    return kept


def _converted(convert: str, found: Any) -> Any:
    match convert:
        case "text":
            return _as_text(found) or found
        case "lower" | "upper" if isinstance(found, str):
            return getattr(found, convert)()
        case "seconds" | "milliseconds":
            return _moment(found, 1 if convert == "seconds" else 1000)
        case "withoutQuery" if isinstance(found, str):
            return found.partition("#")[0].partition("?")[0]
        case "lastSegment" if isinstance(found, str):
            return found.partition("#")[0].partition("?")[0].rpartition("/")[2] or found
        case "decimal" if isinstance(found, str):
            return _number(found)
    return found


def _number(text: str) -> Any:
    """A decimal in a text as the number of the same value; one that a number would not hold to the digit stays a text."""
    if _DECIMAL.fullmatch(text) is None:
        return text
    if "." not in text or not text.partition(".")[2].strip("0"):
        return int(text.partition(".")[0])
    number = float(text)
    return number if Decimal(repr(number)) == Decimal(text) else text


def _moment(found: Any, in_a_second: int) -> Any:
    if not _is_whole(found):
        return found
    try:
        return clock.utc_text(datetime.fromtimestamp(found / in_a_second, UTC))
    except (ValueError, OverflowError, OSError):
        return found


def _is_whole(found: Any) -> bool:
    return found.__class__ is int


def _as_text(found: Any) -> str:
    """An id as text: some providers count."""
    if isinstance(found, str):
        return found
    return str(found) if _is_whole(found) else ""


def _expression(document: Mapping[str, Any]) -> Expression:
    return Expression(tuple(document["paths"]), document["convert"], document["const"], document["currency"])


def _rule(document: Mapping[str, Any], moment: Expression) -> Rule:
    payload = {name: _expression(one) for name, one in document["payload"].items()}
    return Rule(
        document["event_type"],
        # One that is made as the moment is that, so that it is made once.
        {name: moment if one == moment else one for name, one in payload.items()},
        document["when"],
        tuple(document["correlation"]),
        tuple(document["user"]),
    )
