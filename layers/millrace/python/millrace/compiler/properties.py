"""What ODCS has no word for: the contract-level `customProperties` of an event, and its retention. Build only."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from millrace.compiler import personal_data, purposes, retirements, up_converters, users
from millrace.compiler.sentences import meant
from millrace.contracts.contract import ADDITIONAL_PROPERTIES, CATEGORIES, FACTS, IDS, INDEXES, STORES
from millrace.contracts.retirement import Retirement

Report = Callable[[str, str], None]
EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
VERSION = re.compile(r"[1-9][0-9]{0,5}\.[0-9]{1,6}\.[0-9]{1,6}")
_POINTER = re.compile(r"(/[^/]+)+")
_ENTITY = re.compile(r"[a-z][a-zA-Z0-9]*")
_DURATION = re.compile(r"([1-9][0-9]*)([dhms])")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DAYS = {"d": 1, "day": 1, "days": 1, "y": 365, "yr": 365, "years": 365}
DEFAULT_RETENTION_DAYS = 90
_ANY_POINTER = "a pointer from the event's root, such as /data/payload/userId"


@dataclass(frozen=True, slots=True)
class Property:
    """A custom property: what it is, what holds where it is absent (None: nothing), and what it does."""

    form: str
    default: Any
    does: str


def _one_of(words: tuple[str, ...]) -> str:
    return f"one of {', '.join(words)}"


PROPERTIES: Mapping[str, Property] = {
    "category": Property(_one_of(CATEGORIES), None, "What kind of event it is; every contract says it."),
    "store": Property(
        _one_of(STORES), "table", "Whether an event is a row of Events, or goes straight to the log."
    ),
    "ids": Property(
        _one_of(IDS), "uuid4", "What an event's id is: a UUID of version 4, or any printable text."
    ),
    "additionalProperties": Property(
        _one_of(ADDITIONAL_PROPERTIES),
        "allow",
        "Whether fields that the contract does not have are kept, refused with their event, or left out of what is stored.",
    ),
    "indexes": Property(
        f"a list of {', '.join(INDEXES)}",
        ["type", "user"],
        "By what events are found, which each costs a write; `type` always is one.",
    ),
    "entity": Property(
        "an object from a name to a pointer, such as {order: /data/payload/orderId}",
        {},
        "Things that the event is about, for the index `entity`.",
    ),
    "userId": Property(_ANY_POINTER, None, "What the envelope's userId is filled from where it is absent."),
    "subject": Property(_ANY_POINTER, None, "The person that the event is about."),
    "users": Property(
        users.FORM,
        [],
        "Further fields that hold users' ids: numbers take their places, as in subject and userId, and erasures end what leads back from them.",
    ),
    "notUsers": Property(users.FORM_OF_NOT, [], "What `millrace contracts lint` does not warn of."),
    "partitionKey": Property(_ANY_POINTER, None, "The key in the log, of events of store none alone."),
    "route": Property("true or false", False, "Whether accepted events go to the bus, for subscribers."),
    "enrich": Property(
        f"an object from {' or '.join(FACTS)} to a pointer, such as /data/metadata/userAgent",
        {},
        "Facts of the request that fill a field of metadata that the client left out.",
    ),
    "lateness": Property(
        "a number and a unit, such as 7d, 12h or 30m",
        "7d",
        "How old an event may be on receipt and still count in windows of a stream.",
    ),
    "rules": Property("a list", [], "What must hold between fields."),
    "silver": Property("a list", [], "Columns of silver that are made of a field."),
    "derived": Property("true or false", False, "Whether only the platform makes these events."),
    "tenant": Property("the name of a tenant", None, "The one tenant that may send a derived type."),
    "retirement": Property(
        retirements.FORM,
        None,
        "The announced end of this major version; `millrace contracts announce` writes it.",
    ),
    "consumers": Property(retirements.CONSUMERS, [], "Who reads its events, and is told of their end."),
    "upConverter": Property(
        up_converters.FORM,
        {},
        "How rows of an older major version become rows of this one.",
    ),
    "consent": Property(
        purposes.FORM,
        [],
        "Which purposes of `schemas/purposes.yaml` an event or some of its fields need the person's consent for, and what becomes of them without it.",
    ),
    "personalData": Property(
        personal_data.FORM,
        "flag",
        "Whether an event is refused that holds personal data in a field which is not protected, or only its field is named in the catalog.",
    ),
}


# What an event's contract says with words of the standard.
STANDARD: Mapping[str, str] = {
    "apiVersion": "v3.2.0.",
    "kind": "DataContract.",
    "id": "`<event type>.v<major>`, such as `order.created.v1`; it follows from name and version.",
    "name": "The event type, such as `order.created`: words of lower case, joined by dots.",
    "version": "`major.minor.patch`. Events of an older minor are taken, of a newer one refused.",
    "status": "For people; `active` mostly.",
    "domain": "For people.",
    "description": "`purpose`: what the event means, in a sentence.",
    "team": "`name`: who answers for it.",
    "schema": "One object, whose properties are `payload` (required) and, if any, `metadata`.",
    "slaProperties": f"`retention`: days (`unit: d`) or years (`y`) that an event's row lives; {DEFAULT_RETENTION_DAYS} days by default.",
    "customProperties": "What the standard has no word for, as a list of `{property, value}`: below.",
}


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
    personal_data: personal_data.Found
    consent: tuple[dict[str, Any], ...]
    users: tuple[dict[str, Any], ...]
    not_users: tuple[str, ...]


class _Reader:
    """Reads one property after the other and reports what does not read."""

    def __init__(self, items: list[dict[str, Any]], report: Report) -> None:
        self._found: dict[str, tuple[int, Any]] = {}
        self._report = report
        for index, item in enumerate(items):
            name = item["property"]
            if name not in PROPERTIES:
                report(
                    f"/customProperties/{index}/property",
                    f"{name} is none of {', '.join(sorted(PROPERTIES))}{meant(name, PROPERTIES)}",
                )
            if name in self._found:
                report(f"/customProperties/{index}/property", f"{name} stands here twice")
            self._found[name] = (index, item["value"])

    def has(self, name: str) -> bool:
        """Whether the contract has the property."""
        return name in self._found

    def wrong(self, name: str, sentence: str) -> None:
        """Reports the property's value."""
        self._report(f"/customProperties/{self._found[name][0]}/value", sentence)

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        """A word of a closed list."""
        default = PROPERTIES[name].default
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
            self.unfit(name)
            return None
        return value

    def value(self, name: str, kind: type) -> Any:
        """A value of a JSON type."""
        default = PROPERTIES[name].default
        if name not in self._found:
            return default
        value = self._found[name][1]
        if not isinstance(value, kind):
            self.unfit(name)
            return default
        return value

    def unfit(self, name: str) -> None:
        """Reports that the property's value is not of its form."""
        self.wrong(name, f"{name} is {PROPERTIES[name].form}")

    def parsed(self, name: str, parse: Callable[[Any], Any]) -> Any:
        """A value as `parse` reads it; its ValueError is reported."""
        default = PROPERTIES[name].default
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
    store = reader.one_of("store", STORES)
    return Values(
        category=reader.one_of("category", CATEGORIES),
        store=store,
        indexes=_indexes(reader, store),
        entity=_entity(reader),
        route=reader.value("route", bool),
        subject=reader.pointer("subject"),
        user_id=reader.pointer("userId"),
        partition_key=reader.pointer("partitionKey"),
        additional_properties=reader.one_of("additionalProperties", ADDITIONAL_PROPERTIES),
        lateness_seconds=_lateness(reader),
        rules=_rules(reader),
        enrich=_enrich(reader),
        retention_days=_retention(document, report),
        silver=_silver(reader),
        derived=reader.value("derived", bool),
        tenant=_tenant(reader),
        ids=reader.one_of("ids", IDS),
        retirement=reader.parsed("retirement", retirements.read),
        consumers=tuple(reader.parsed("consumers", retirements.read_consumers)),
        up_converter=reader.parsed("upConverter", up_converters.read),
        personal_data=_personal_data(reader),
        consent=tuple(reader.parsed("consent", purposes.read)),
        users=tuple(reader.parsed("users", users.read)),
        not_users=tuple(reader.parsed("notUsers", users.read_not)),
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
        if reader.has("indexes") and reader.value("indexes", list):
            reader.wrong("indexes", "an event that is in no table has no indexes")
        return frozenset()
    names = reader.value("indexes", list)
    for name in names:
        if name not in INDEXES:
            reader.wrong("indexes", f"an index is one of {', '.join(INDEXES)}, not {name}")
    # Reconciliation reads every stored type by its index.
    return frozenset({"type", *(name for name in names if name in INDEXES)})


def _entity(reader: _Reader) -> dict[str, str]:
    entities: dict[str, str] = {}
    for name, pointer in reader.value("entity", dict).items():
        if (
            not _ENTITY.fullmatch(str(name))
            or not isinstance(pointer, str)
            or not _POINTER.fullmatch(pointer)
        ):
            reader.unfit("entity")
        else:
            entities[name] = pointer
    return entities


def _lateness(reader: _Reader) -> int:
    match = _DURATION.fullmatch(reader.value("lateness", str))
    if match is None:
        reader.unfit("lateness")
        return 0
    return int(match[1]) * _SECONDS[match[2]]


def _rules(reader: _Reader) -> tuple[dict[str, Any], ...]:
    rules = reader.value("rules", list)
    if not all(isinstance(rule, dict) for rule in rules):
        reader.wrong("rules", "a rule is an object with a kind")
        return ()
    return tuple(rules)


def _personal_data(reader: _Reader) -> personal_data.Found:
    read: personal_data.Found | str = reader.parsed("personalData", personal_data.read)
    return read if isinstance(read, personal_data.Found) else personal_data.read(read)


def _tenant(reader: _Reader) -> str | None:
    tenant: str | None = reader.value("tenant", str)
    if tenant is not None and not reader.value("derived", bool):
        reader.wrong("tenant", "a type that is not derived is open to every tenant")
    return tenant


def _silver(reader: _Reader) -> tuple[dict[str, Any], ...]:
    rules = reader.value("silver", list)
    if not all(isinstance(rule, dict) for rule in rules):
        reader.wrong("silver", "a column that silver derives is an object with column, kind and of")
        return ()
    return tuple(rules)


def _enrich(reader: _Reader) -> dict[str, str]:
    facts = reader.value("enrich", dict)
    if not all(name in FACTS and isinstance(pointer, str) for name, pointer in facts.items()):
        reader.unfit("enrich")
        return {}
    return dict(facts)


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
    return DEFAULT_RETENTION_DAYS
