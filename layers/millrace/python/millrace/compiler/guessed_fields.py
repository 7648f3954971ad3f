"""Fields of a first contract, guessed from the values that samples have for them. Pure; build only."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from millrace.contracts import formats
from millrace.contracts.decimals import INT64, LIMIT, SCALE
from millrace.privacy import detector

# A text with this few values in at least so many samples is taken for a list of values.
ENUM_VALUES, ENUM_SAMPLES = 8, 12
# An object with more names than this has data for names: a map, kept as JSON.
NAMES = 40
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,31}")
_MONEY = re.compile(
    r"(amount|price|total|subtotal|cost|fee|tax|balance|revenue|refund|discount|salary)$", re.I
)
_KEY = re.compile(r"(^id|Id|ID|_id|[kK]ey|[cC]ode|[nN]umber)$")
# Names of fields that are mostly about a person: class, and what stands in the golden samples instead.
_PERSONAL = (
    (re.compile(r"e?[-_]?mail([-_]?address)?$", re.I), "confidential", "someone@example.org"),
    (re.compile(r"(phone|mobile|fax)([-_]?number)?$", re.I), "confidential", "+351 000 000 000"),
    (
        re.compile(r"(^|first|last|full|given|family|customer|user|contact|recipient|agent)[-_]?name$", re.I),
        "confidential",
        "Someone",
    ),
    (re.compile(r"(street|address([-_]?line)?[-_]?[0-9]?)$", re.I), "restricted", "Somewhere 1"),
    (re.compile(r"(birth[-_]?(date|day)|date[-_]?of[-_]?birth)$", re.I), "restricted", "2000-01-01"),
)
_ADDRESS = re.compile(r"(^|[a-z_])ip([-_]?addr(ess)?)?$|client[-_]?address$", re.I)
# What the detector finds in a value: the class of its field, and what stands in the golden samples instead.
_CLASS_OF_KIND = {
    detector.CARD: "restricted",
    detector.IBAN: "restricted",
    detector.NATIONAL_ID: "restricted",
    detector.EMAIL: "confidential",
    detector.PHONE: "confidential",
    detector.IP: "confidential",
}
_MASK_OF_KIND = {
    detector.CARD: "0000 0000 0000 0000",
    detector.IBAN: "XX00 0000 0000 0000",
    detector.NATIONAL_ID: "000-00-0000",
    detector.EMAIL: "someone@example.org",
    detector.PHONE: "+351 000 000 000",
    detector.IP: "192.0.2.1",
}
# Tried in this order; each holds for all values or is not taken.
_FORMATS = ("uuid", "email", "ipv4", "uri")
_PATTERNS = {name: re.compile(schema["pattern"]) for name, schema in formats.FORMATS.items()}
_KINDS = {bool: "boolean", int: "integer", float: "number", str: "text", dict: "object", list: "array"}


@dataclass
class Field:
    """What the samples say of one field: (line, value) wherever it is present, and of how many objects it is a field."""

    name: str
    pointer: str
    seen: list[tuple[int, Any]]
    of: int

    @property
    def values(self) -> list[Any]:
        return [value for _, value in self.seen if value is not None]

    @property
    def required(self) -> bool:
        return len(self.values) == self.of


class Guess:
    """Guesses fields; collects what it guessed, what it cannot say, and which values are personal."""

    def __init__(self) -> None:
        self.guesses: list[str] = []
        self.problems: list[str] = []
        self.masks: dict[str, str] = {}

    def object(self, seen: Sequence[tuple[int, Any]], pointer: str) -> list[dict[str, Any]]:
        """The properties of an object, in the order in which the samples have them."""
        names = dict.fromkeys(key for _, value in seen for key in value)
        fields = []
        for key in names:
            held = [(line, value[key]) for line, value in seen if key in value]
            fields.append(self.field(Field(key, f"{pointer}/{key}", held, len(seen))))
        return fields

    def field(self, one: Field) -> dict[str, Any]:
        """One field as a property of the contract; `#` holds the comment behind its name."""
        kinds: dict[str, int] = {}
        for line, value in one.seen:
            if value is not None:
                kinds.setdefault(_KINDS[type(value)], line)
        if set(kinds) == {"integer", "number"}:
            kinds = {"number": kinds["number"]}
        start: dict[str, Any] = {"name": one.name}
        if len(kinds) > 1:
            places = " and ".join(f"{kind} (line {line})" for kind, line in kinds.items())
            self.problems.append(
                f"{one.pointer} is {places}: a field has one type; make the samples agree, or leave the field out"
            )
            return start
        if not kinds:
            self.guesses.append(f"{one.pointer} is null in every sample: taken for a text")
            return {**start, "#": "guessed: null in every sample", "logicalType": "string"}
        made = getattr(self, f"_{next(iter(kinds))}")(one)
        required = {"required": True} if one.required and not one.pointer.endswith("/*") else {}
        comment = {"#": made.pop("#")} if "#" in made else {}
        examples = made.pop("examples", {})
        return {**start, **comment, **made, **required, **({"examples": examples} if examples else {})}

    def _boolean(self, _: Field) -> dict[str, Any]:
        return {"logicalType": "boolean"}

    def _integer(self, one: Field) -> dict[str, Any]:
        found = _found(one)
        if found is not None:
            line, kind = found
            self.guesses.append(
                f"{one.pointer} looks like {kind.replace('_', ' ')} (line {line}), and only texts are protected: send it as a text"
            )
        low, high = INT64
        for line, value in one.seen:
            if value is not None and not low <= value <= high:
                self.problems.append(
                    f"line {line}: {one.pointer} is beyond 64 bits, which no column holds: send it as a text"
                )
                break
        if _MONEY.search(one.name) and max(map(abs, one.values)) <= LIMIT:
            return self._money(one)
        return {"logicalType": "integer"}

    def _number(self, one: Field) -> dict[str, Any]:
        exact = all(abs(value) <= LIMIT and round(value, SCALE) == value for value in one.values)
        if _MONEY.search(one.name) and exact:
            return self._money(one)
        return {"logicalType": "number"}

    def _money(self, one: Field) -> dict[str, Any]:
        self.guesses.append(f"{one.pointer} is taken for money by its name: decimal(18,4)")
        return {
            "#": "guessed: money, by its name",
            "logicalType": "number",
            "physicalType": "decimal(18,4)",
        }

    def _text(self, one: Field) -> dict[str, Any]:
        values: list[str] = one.values
        personal = next((row[1:] for row in _PERSONAL if row[0].search(one.name)), None)
        for kind, name in (("timestamp", "date-time"), ("date", "date")):
            if all(_PATTERNS[name].match(value) for value in values):
                return {"logicalType": kind}
        chosen = next((n for n in _FORMATS if all(_PATTERNS[n].match(value) for value in values)), None)
        chosen = chosen or _named_format(one.name, values)
        why = "by its name: it looks personal"
        if personal is None and chosen in ("email", "ipv4", "ip-address"):
            personal = ("confidential", "someone@example.org" if chosen == "email" else "192.0.2.1")
        elif personal is None and (found := _found(one)) is not None:
            line, kind = found
            personal = (
                _CLASS_OF_KIND[kind],
                _MASK_OF_KIND[kind] if chosen != "uri" else "https://example.org/",
            )
            why = f"by its values: line {line} holds what looks like {kind.replace('_', ' ')}"
        options = {"logicalTypeOptions": {"format": chosen}} if chosen else {}
        if personal is not None:
            classification, self.masks[one.pointer] = personal
            self.guesses.append(f"{one.pointer} is {classification} {why}")
            return {
                "#": f"guessed: {classification}, because it looks personal",
                "logicalType": "string",
                **options,
                "classification": classification,
            }
        counted = Counter(values)
        if chosen is None and _is_list(counted):
            shown = ", ".join(f"{value} {count}" for value, count in counted.most_common())
            self.guesses.append(
                f"{one.pointer} has {len(counted)} values in {len(values)} samples: taken for a list"
            )
            entries = [{"value": value} for value in sorted(counted)]
            return {"#": f"guessed: a list of values ({shown})", "logicalType": "string", "enum": entries}
        short = values[0] if len(values[0]) <= 40 and values[0].isprintable() else None
        return {"logicalType": "string", **options, **({"examples": [short]} if short else {})}

    def _object(self, one: Field) -> dict[str, Any]:
        held = [(line, value) for line, value in one.seen if value is not None]
        names = {key for _, value in held for key in value}
        if not names or len(names) > NAMES:
            why = "empty in every sample" if not names else f"{len(names)} names in the samples"
            self.guesses.append(f"{one.pointer} is kept as JSON: {why}")
            return {"#": f"guessed: kept as JSON ({why})", "logicalType": "object"}
        return {"logicalType": "object", "properties": self.object(held, one.pointer)}

    def _array(self, one: Field) -> dict[str, Any]:
        items = [(line, item) for line, value in one.seen for item in value or ()]
        nulls = [line for line, item in items if item is None]
        if nulls:
            self.problems.append(f"line {nulls[0]}: {one.pointer} holds a null; leave it out of the list")
        if not items:
            self.guesses.append(f"{one.pointer} is an empty list in every sample: taken for a list of texts")
            return {
                "#": "guessed: empty in every sample",
                "logicalType": "array",
                "items": {"logicalType": "string"},
            }
        inner = self.field(Field(one.name.removesuffix("s"), f"{one.pointer}/*", items, len(items)))
        for key in ("name", "examples"):
            inner.pop(key, None)
        comment = {"#": inner.pop("#")} if "#" in inner else {}
        return {**comment, "logicalType": "array", "items": inner}


def _found(one: Field) -> tuple[int, str] | None:
    """The first line whose value of a field holds personal data, and of which kind; the strictest class counts most."""
    found: dict[str, int] = {}
    for line, value in one.seen:
        for kind in detector.kinds(value, one.name):
            found.setdefault(kind, line)
    for kind in _CLASS_OF_KIND:
        if kind in found:
            return found[kind], kind
    return None


def _named_format(name: str, values: Sequence[str]) -> str | None:
    """A format that the name asks for and the values keep."""
    tried: list[str] = []
    if re.search(r"currency$", name, re.I):
        tried.append("currency")
    if re.search(r"country([-_]?code)?$", name, re.I):
        tried.append("country")
    if _ADDRESS.search(name):
        tried.append("ip-address")
    if _KEY.search(name) and all(0 < len(value) <= 256 for value in values):
        tried.append("identifier")
    return next((one for one in tried if all(_PATTERNS[one].match(value) for value in values)), None)


def _is_list(counted: Counter[str]) -> bool:
    total = counted.total()
    few = len(counted) <= ENUM_VALUES and total >= ENUM_SAMPLES and total >= 3 * len(counted)
    return few and all(_WORD.fullmatch(value) for value in counted)
