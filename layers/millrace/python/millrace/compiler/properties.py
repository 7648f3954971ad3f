"""What ODCS has no word for: the contract-level `customProperties` of an event, and its retention. Build only."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from millrace.compiler import retirements, up_converters
from millrace.contracts.contract import CATEGORIES, FACTS, IDS, INDEXES, STORES
from millrace.contracts.retirement import Retirement

Report = Callable[[str, str], None]
EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
VERSION = re.compile(r"[1-9][0-9]{0,5}\.[0-9]{1,6}\.[0-9]{1,6}")
_POINTER = re.compile(r"(/[^/]+)+")
_ENTITY = re.compile(r"[a-z][a-zA-Z0-9]*")
_DURATION = re.compile(r"([1-9][0-9]*)([dhms])")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DAYS = {"d": 1, "day": 1, "days": 1, "y": 365, "yr": 365, "years": 365}
_NAMES = frozenset(
    {
        *("category", "store", "indexes", "entity", "route", "subject", "userId", "partitionKey"),
        *("additionalProperties", "lateness", "rules", "enrich", "silver", "derived", "tenant"),
        *("ids", "retirement", "consumers", "upConverter"),
    }
)


@dataclass(frozen=True, slots=True)
class Values:
    """The custom properties of a contract, defaults filled in."""

    category: str
    store: str
    indexes: frozenset[str]
    entity: dict[str, str]
    route: bool
    subject: str | None
    user_id: str | None
    partition_key: str | None
    additional_properties: str
    lateness_seconds: int
    rules: tuple[dict[str, Any], ...]
    enrich: dict[str, str]
    retention_days: int
    silver: tuple[dict[str, Any], ...]
    derived: bool
    tenant: str | None
    ids: str
    retirement: Retirement | None
    consumers: tuple[dict[str, str], ...]
    up_converter: dict[str, Any]


def _meant(name: str) -> str:
    near = get_close_matches(name, _NAMES, n=1)
    return f"; did you mean {near[0]}?" if near else ""


class _Reader:
    """Reads one property after the other and reports what does not read."""

    def __init__(self, items: list[dict[str, Any]], report: Report) -> None:
        self._found: dict[str, tuple[int, Any]] = {}
        self._report = report
        for index, item in enumerate(items):
            name = item["property"]
            if name not in _NAMES:
                report(
                    f"/customProperties/{index}/property",
                    f"{name} is none of {', '.join(sorted(_NAMES))}{_meant(name)}",
                )
            if name in self._found:
                report(f"/customProperties/{index}/property", f"{name} stands here twice")
            self._found[name] = (index, item["value"])

    def wrong(self, name: str, sentence: str) -> None:
        """Reports the property's value."""
        self._report(f"/customProperties/{self._found[name][0]}/value", sentence)

    def one_of(self, name: str, allowed: tuple[str, ...], default: str | None) -> str:
        """A word of a closed list."""
        if name not in self._found:
            if default is None:
                self._report("/customProperties", f"an event's contract has a {name}: {', '.join(allowed)}")
            return default or allowed[0]
        value = self._found[name][1]
        if value not in allowed:
            self.wrong(name, f"{name} is one of {', '.join(allowed)}, not {value}")
            return allowed[0]
        return str(value)

    def pointer(self, name: str) -> str | None:
        """A JSON pointer from the event's root."""
        if name not in self._found:
            return None
        value = self._found[name][1]
        if not isinstance(value, str) or not _POINTER.fullmatch(value):
            self.wrong(name, f"{name} is a pointer from the event's root, such as /data/payload/userId")
            return None
        return value

    def value(self, name: str, kind: type, default: Any, sentence: str) -> Any:
        """A value of a JSON type."""
        if name not in self._found:
            return default
        value = self._found[name][1]
        if not isinstance(value, kind):
            self.wrong(name, sentence)
            return default
        return value

    def parsed(self, name: str, parse: Callable[[Any], Any], default: Any) -> Any:
        """A value as `parse` reads it; its ValueError is reported."""
        if name not in self._found:
            return default
        try:
            return parse(self._found[name][1])
        except ValueError as error:
            self.wrong(name, str(error))
            return default


def read(document: dict[str, Any], report: Report) -> Values:
    """The values of a document that keeps the standard; what is wrong goes to `report`."""
    _names(document, report)
    reader = _Reader(document.get("customProperties", []), report)
    store = reader.one_of("store", STORES, "table")
    return Values(
        category=reader.one_of("category", CATEGORIES, None),
        store=store,
        indexes=_indexes(reader, store),
        entity=_entity(reader),
        route=reader.value("route", bool, False, "route is true or false"),
        subject=reader.pointer("subject"),
        user_id=reader.pointer("userId"),
        partition_key=reader.pointer("partitionKey"),
        additional_properties=reader.one_of("additionalProperties", ("allow", "reject"), "allow"),
        lateness_seconds=_lateness(reader),
        rules=_rules(reader),
        enrich=_enrich(reader),
        retention_days=_retention(document, report),
        silver=_silver(reader),
        derived=reader.value("derived", bool, False, "derived is true or false"),
        tenant=_tenant(reader),
        ids=reader.one_of("ids", IDS, "uuid4"),
        retirement=reader.parsed("retirement", retirements.read, None),
        consumers=reader.parsed("consumers", retirements.read_consumers, ()),
        up_converter=reader.parsed("upConverter", up_converters.read, {}),
    )


def _names(document: dict[str, Any], report: Report) -> None:
    if not EVENT_TYPE.fullmatch(document.get("name", "")):
        report("/name", "the name of an event's contract is its type, such as order.created")
    if not VERSION.fullmatch(document["version"]):
        report("/version", "a version is major.minor.patch, such as 1.2.0")
        return
    expected = f"{document.get('name')}.v{document['version'].split('.')[0]}"
    if document["id"] != expected:
        report("/id", f"by its name and version the id is {expected}")


def _indexes(reader: _Reader, store: str) -> frozenset[str]:
    if store == "none":
        if reader.value("indexes", list, [], "indexes is a list"):
            reader.wrong("indexes", "an event that is in no table has no indexes")
        return frozenset()
    names = reader.value("indexes", list, ["type", "user"], "indexes is a list")
    for name in names:
        if name not in INDEXES:
            reader.wrong("indexes", f"an index is one of {', '.join(INDEXES)}, not {name}")
    # Reconciliation reads every stored type by its index.
    return frozenset({"type", *(name for name in names if name in INDEXES)})


def _entity(reader: _Reader) -> dict[str, str]:
    found: dict[str, str] = {}
    sentence = "entity is an object from a name to a pointer, such as {order: /data/payload/orderId}"
    for name, pointer in reader.value("entity", dict, {}, sentence).items():
        if (
            not _ENTITY.fullmatch(str(name))
            or not isinstance(pointer, str)
            or not _POINTER.fullmatch(pointer)
        ):
            reader.wrong("entity", sentence)
        else:
            found[name] = pointer
    return found


def _lateness(reader: _Reader) -> int:
    sentence = "lateness is a number and a unit, such as 7d, 12h or 30m"
    text = reader.value("lateness", str, "7d", sentence)
    match = _DURATION.fullmatch(text)
    if match is None:
        reader.wrong("lateness", sentence)
        return 0
    return int(match[1]) * _SECONDS[match[2]]


def _rules(reader: _Reader) -> tuple[dict[str, Any], ...]:
    rules = reader.value("rules", list, [], "rules is a list")
    if not all(isinstance(rule, dict) for rule in rules):
        reader.wrong("rules", "a rule is an object with a kind")
        return ()
    return tuple(rules)


def _tenant(reader: _Reader) -> str | None:
    tenant: str | None = reader.value("tenant", str, None, "tenant is the name of a tenant")
    if tenant is not None and not reader.value("derived", bool, False, ""):
        reader.wrong("tenant", "a type that is not derived is open to every tenant")
    return tenant


def _silver(reader: _Reader) -> tuple[dict[str, Any], ...]:
    found = reader.value("silver", list, [], "silver is a list")
    if not all(isinstance(rule, dict) for rule in found):
        reader.wrong("silver", "a column that silver derives is an object with column, kind and of")
        return ()
    return tuple(found)


def _enrich(reader: _Reader) -> dict[str, str]:
    sentence = f"enrich is an object from {' or '.join(FACTS)} to a pointer, such as /data/metadata/userAgent"
    found = reader.value("enrich", dict, {}, sentence)
    if not all(name in FACTS and isinstance(pointer, str) for name, pointer in found.items()):
        reader.wrong("enrich", sentence)
        return {}
    return dict(found)


def _retention(document: dict[str, Any], report: Report) -> int:
    for index, item in enumerate(document.get("slaProperties", [])):
        if item["property"] != "retention":
            continue
        value, unit = item["value"], item.get("unit", "d")
        if isinstance(value, bool) or not isinstance(value, int) or value < 1 or unit not in _DAYS:
            report(
                f"/slaProperties/{index}", "retention is a whole number of days (unit d) or years (unit y)"
            )
            return 1
        days: int = value * _DAYS[unit]
        # The row's own expiry is retention + 1 day, and what is accepted may be retention − 1 day old.
        if not 2 <= days <= 3_650:
            report(f"/slaProperties/{index}/value", f"retention is between 2 and 3650 days, not {days}")
        return days
    return 90
