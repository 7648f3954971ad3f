"""A first contract of an event type, guessed from samples of its events. Pure; build only.

What a guess rests on stands behind it as a comment, so that a person can judge it: a list of values, a class, a money amount.
The contract accepts every sample, or there is none: what no contract can say is reported with the sample's place and what to do.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import yaml

from millrace.compiler.documents import OnceLoader
from millrace.compiler.event_contracts import compile_document
from millrace.compiler.properties import EVENT_TYPE
from millrace.contracts import formats
from millrace.contracts.contract import KEY_LENGTH, PROTECTED
from millrace.contracts.decimals import INT64, LIMIT, SCALE
from millrace.contracts.errors import ContractError
from millrace.contracts.validator import Validator

RETENTION_DAYS = 90
GOLDEN = 20
# A text with this few values in at least so many samples is taken for a list of values.
ENUM_VALUES, ENUM_SAMPLES = 8, 12
# An object with more names than this has data for names: a map, kept as JSON.
NAMES = 40
_WIDTH = 110
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,31}")
_MONEY = re.compile(
    r"(amount|price|total|subtotal|cost|fee|tax|balance|revenue|refund|discount|salary)$", re.I
)
_KEY = re.compile(r"(^id|Id|ID|_id|[kK]ey|[cC]ode|[nN]umber)$")
_USERS = (
    "userId",
    "user_id",
    "customerId",
    "customer_id",
    "accountId",
    "account_id",
    "memberId",
    "member_id",
)
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
# Tried in this order; each holds for all values or is not taken.
_FORMATS = ("uuid", "email", "ipv4", "uri")
_PATTERNS = {name: re.compile(schema["pattern"]) for name, schema in formats.FORMATS.items()}
_KINDS = {bool: "boolean", int: "integer", float: "number", str: "text", dict: "object", list: "array"}


class SamplesError(ValueError):
    """Samples that no contract describes; `problems` has a sentence for each, with the line and what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = [*problems]
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Sample:
    """A line of the samples: its number, and what stands there, a whole event or its payload."""

    line: int
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FirstContract:
    """A contract and its samples.

    Attributes:
        event_type: such as `ticket.opened`.
        text: of its file, with the guesses as comments.
        document: the parsed file.
        samples: how many the contract was made from.
        golden: whole events, personal values replaced.
        broken: broken events as patches of the first golden one.
        guesses: sentences for the person who reads the contract next.
    """

    event_type: str
    text: str
    document: dict[str, Any]
    samples: int
    golden: list[dict[str, Any]]
    broken: list[dict[str, Any]]
    guesses: list[str]


@dataclass
class _Field:
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


def read(text: bytes) -> list[Sample]:
    """The samples of NDJSON, a JSON array or one object, an event or payload each.

    Raises:
        SamplesError: lines that hold no object, by number.
    """
    stripped = text.lstrip()
    if stripped[:1] == b"[":
        try:
            listed = list(enumerate(json.loads(text, parse_constant=_no_constant), 1))
        except ValueError as error:
            raise SamplesError([f"neither a JSON array nor NDJSON: {error}"]) from error
        parsed: Iterator[tuple[int, Any]] = iter(listed)
    else:
        parsed = _parsed(text)
    samples, problems = [], []
    for line, value in parsed:
        if isinstance(value, dict):
            samples.append(Sample(line, value))
        else:
            problems.append(f"line {line}: {value if isinstance(value, str) else 'no JSON object'}")
    if problems:
        raise SamplesError(problems)
    if not samples:
        raise SamplesError(["there are no samples in it: one JSON object a line is expected"])
    return samples


def _parsed(text: bytes) -> Iterator[tuple[int, Any]]:
    try:
        whole = json.loads(text, parse_constant=_no_constant)
    except ValueError:
        pass
    else:
        yield 1, whole
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line, parse_constant=_no_constant)
            except ValueError as error:
                yield number, f"no JSON: {error}"


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def infer(
    samples: Sequence[Sample], event_type: str | None, domain: str | None, moment: str
) -> FirstContract:
    """The contract that accepts all samples of a type.

    Args:
        samples: whole events, or payloads alone.
        event_type: needed for payloads, and where events of several types are mixed.
        domain: the contract's, and its folder; by default the type's first word.
        moment: when a payload alone is said to have happened, RFC 3339.

    Raises:
        SamplesError: no contract can describe them.
    """
    name, events = _events(samples, event_type, moment)
    if not EVENT_TYPE.fullmatch(name):
        raise SamplesError(
            [f"{name!r} is no type: write it in small letters with a dot, such as ticket.opened"]
        )
    guess = _Guess()
    payload = guess.object([(line, event["data"]["payload"]) for line, event in events], "/data/payload")
    metas = [(line, event["data"].get("metadata")) for line, event in events]
    metadata = guess.object([(line, value) for line, value in metas if value is not None], "/data/metadata")
    if guess.problems:
        raise SamplesError(guess.problems)
    text = _text(name, domain or name.partition(".")[0], payload, metadata, [event for _, event in events])
    document = yaml.load(text, OnceLoader)  # noqa: S506  it is a SafeLoader
    _accepts(document, events)
    golden = [_masked(event, guess.masks) for event in _fullest_first([event for _, event in events])]
    return FirstContract(name, text, document, len(events), golden, _broken(payload), guess.guesses)


def _events(
    samples: Sequence[Sample], event_type: str | None, moment: str
) -> tuple[str, list[tuple[int, dict[str, Any]]]]:
    """The type, and its whole events with their lines."""
    whole = [one for one in samples if "eventType" in one.document and "data" in one.document]
    if whole and len(whole) < len(samples):
        bare = next(one.line for one in samples if one not in whole)
        raise SamplesError(
            [f"line {whole[0].line} is a whole event and line {bare} a payload alone: put them in two files"]
        )
    if not whole:
        if event_type is None:
            raise SamplesError(
                ["the samples are payloads alone: name their type, such as --type ticket.opened"]
            )
        return event_type, [(one.line, _enveloped(one, event_type, moment)) for one in samples]
    types = Counter(str(one.document["eventType"]) for one in whole)
    if event_type is None and len(types) > 1:
        raise SamplesError(
            [f"the samples are of {', '.join(sorted(types))}: name one with --type, then the next"]
        )
    wanted = event_type or next(iter(types))
    chosen = [(one.line, one.document) for one in whole if one.document["eventType"] == wanted]
    if not chosen:
        raise SamplesError([f"no sample is of {wanted}; there are {', '.join(sorted(types))}"])
    problems = [
        f"line {line}: an event's data is an object with a payload: {{'payload': {{…}}}}"
        for line, event in chosen
        if not isinstance(event["data"], dict) or not isinstance(event["data"].get("payload"), dict)
    ]
    if problems:
        raise SamplesError(problems)
    return wanted, chosen


def _enveloped(sample: Sample, event_type: str, moment: str) -> dict[str, Any]:
    """A payload as an event; its id is a hash of it, so that the same samples make the same files."""
    digest = hashlib.sha256(json.dumps([sample.line, sample.document], sort_keys=True).encode()).digest()
    return {
        "eventId": str(UUID(bytes=digest[:16], version=4)),
        "eventType": event_type,
        "timestamp": moment,
        "data": {"payload": sample.document},
    }


class _Guess:
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
            fields.append(self.field(_Field(key, f"{pointer}/{key}", held, len(seen))))
        return fields

    def field(self, one: _Field) -> dict[str, Any]:
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

    def _boolean(self, _: _Field) -> dict[str, Any]:
        return {"logicalType": "boolean"}

    def _integer(self, one: _Field) -> dict[str, Any]:
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

    def _number(self, one: _Field) -> dict[str, Any]:
        exact = all(abs(value) <= LIMIT and round(value, SCALE) == value for value in one.values)
        if _MONEY.search(one.name) and exact:
            return self._money(one)
        return {"logicalType": "number"}

    def _money(self, one: _Field) -> dict[str, Any]:
        self.guesses.append(f"{one.pointer} is taken for money by its name: decimal(18,4)")
        return {
            "#": "guessed: money, by its name",
            "logicalType": "number",
            "physicalType": "decimal(18,4)",
        }

    def _text(self, one: _Field) -> dict[str, Any]:
        values: list[str] = one.values
        personal = next((found for found in _PERSONAL if found[0].search(one.name)), None)
        for kind, name in (("timestamp", "date-time"), ("date", "date")):
            if all(_PATTERNS[name].match(value) for value in values):
                return {"logicalType": kind}
        chosen = next((n for n in _FORMATS if all(_PATTERNS[n].match(value) for value in values)), None)
        chosen = chosen or _named_format(one.name, values)
        if personal is None and chosen in ("email", "ipv4", "ip-address"):
            personal = (one.name, "confidential", "someone@example.org" if chosen == "email" else "192.0.2.1")  # type: ignore[assignment]
        options = {"logicalTypeOptions": {"format": chosen}} if chosen else {}
        if personal is not None:
            self.masks[one.pointer] = personal[2]
            self.guesses.append(f"{one.pointer} is {personal[1]} by its name: it looks personal")
            return {
                "#": f"guessed: {personal[1]}, because it looks personal",
                "logicalType": "string",
                **options,
                "classification": personal[1],
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

    def _object(self, one: _Field) -> dict[str, Any]:
        held = [(line, value) for line, value in one.seen if value is not None]
        names = {key for _, value in held for key in value}
        if not names or len(names) > NAMES:
            why = "empty in every sample" if not names else f"{len(names)} names in the samples"
            self.guesses.append(f"{one.pointer} is kept as JSON: {why}")
            return {"#": f"guessed: kept as JSON ({why})", "logicalType": "object"}
        return {"logicalType": "object", "properties": self.object(held, one.pointer)}

    def _array(self, one: _Field) -> dict[str, Any]:
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
        inner = self.field(_Field(one.name.removesuffix("s"), f"{one.pointer}/*", items, len(items)))
        for key in ("name", "examples"):
            inner.pop(key, None)
        comment = {"#": inner.pop("#")} if "#" in inner else {}
        return {**comment, "logicalType": "array", "items": inner}


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


def _text_of(value: Any) -> str:
    """A scalar or flow collection as YAML that both our reader and any other read alike."""
    return json.dumps(value, ensure_ascii=False)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*", value)
    words = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
    return value if plain and value.lower() not in words else _text_of(value)


def _property(one: dict[str, Any], indent: str, lead: str = "- ") -> Iterator[str]:
    """The lines of a property: on one line where it fits, else a key a line."""
    nested = {"properties", "items"} & set(one)
    comment = f"  # {one['#']}" if "#" in one else ""
    shown = {key: value for key, value in one.items() if key != "#"}
    line = f"{indent}{lead}{_flow(shown)}{comment}"
    if not nested and (len(line) <= _WIDTH or (comment and len(line) - len(comment) <= _WIDTH)):
        yield line
        return
    below = indent + " " * len(lead)
    for index, (key, value) in enumerate(shown.items()):
        start = f"{indent}{lead}" if index == 0 else below
        end = comment if index == 0 else ""
        if key == "properties":
            yield f"{start}properties:"
            for part in value:
                yield from _property(part, f"{below}  ")
        elif key == "items":
            yield f"{start}items:"
            yield from _property(value, f"{below}  ", "")
        else:
            yield f"{start}{key}: {_flow(value)}{end}"


def _text(
    event_type: str,
    domain: str,
    payload: list[dict[str, Any]],
    metadata: list[dict[str, Any]],
    events: list[dict[str, Any]],
) -> str:
    user = _user(payload)
    entity = _entity(event_type, payload)
    words = event_type.replace(".", " ").replace("_", " ")
    lines = [
        "apiVersion: v3.2.0",
        "kind: DataContract",
        f"id: {event_type}.v1",
        f"name: {event_type}",
        "version: 1.0.0",
        "status: active",
        f"domain: {domain}",
        "description:",
        f"  purpose: {_text_of(f'{words[0].upper()}{words[1:]}: say here what has happened when it is sent.')}",
        f"  usage: First written from {len(events)} samples; look at what is marked as guessed.",
        "schema:",
        f"  - name: {event_type.replace('.', '_')}",
        "    logicalType: object",
        "    properties:",
    ]
    for name, fields in (("payload", payload), ("metadata", metadata)):
        lines += [f"      - name: {name}", "        logicalType: object"]
        lines += ["        required: true"] if name == "payload" else []
        lines += ["        properties:" if fields else "        properties: []"]
        lines += [line for one in fields for line in _property(one, "          ")]
    indexes = ["type", *(["user"] if user else []), *(["entity"] if entity else [])]
    lines += [
        "slaProperties:",
        f"  - {{property: retention, value: {RETENTION_DAYS}, unit: d}}",
        "customProperties:",
        f"  - {{property: category, value: {'user-events' if user else 'business-events'}}}",
        f"  - {{property: indexes, value: [{', '.join(indexes)}]}}",
    ]
    if entity:
        lines.append(
            f"  - {{property: entity, value: {{{entity[0]}: {entity[1]}}}}}  # guessed: by the type's name"
        )
    if user:
        lines.append(f"  - {{property: subject, value: {user}}}  # guessed: by the field's name")
        lines.append(f"  - {{property: userId, value: {user}}}")
    if not all(_PATTERNS_V4.match(str(event.get("eventId"))) for event in events):
        lines.append("  - {property: ids, value: any}  # not every sample's id is a UUID of version 4")
    return "\n".join(lines) + "\n"


_PATTERNS_V4 = re.compile(formats.UUID_V4["pattern"])


def _can_name(field: dict[str, Any]) -> bool:
    longest = field.get("logicalTypeOptions", {}).get("maxLength", 0)
    named = field.get("logicalType") in ("string", "integer") and field.get("required")
    return bool(named and field.get("classification") not in PROTECTED and longest <= KEY_LENGTH)


def _user(payload: list[dict[str, Any]]) -> str | None:
    fields = {one["name"]: one for one in payload if _can_name(one)}
    return next((f"/data/payload/{name}" for name in _USERS if name in fields), None)


def _entity(event_type: str, payload: list[dict[str, Any]]) -> tuple[str, str] | None:
    """`ticket.opened` is about the ticket that `ticketId` names."""
    noun = re.sub(r"_(\w)", lambda match: match[1].upper(), event_type.partition(".")[0])
    wanted = {f"{noun}id".lower()}
    for one in payload:
        if one["name"].replace("_", "").lower() in wanted and _can_name(one):
            return noun, f"/data/payload/{one['name']}"
    return None


def _accepts(document: dict[str, Any], events: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Raises SamplesError unless the contract compiles and accepts every sample."""
    try:
        contract = compile_document(document, "the contract")
    except ContractError as error:
        raise SamplesError([_remedy(problem.sentence) for problem in error.problems]) from error
    validator = Validator(contract)
    problems = [
        f"line {line}: {found.pointer} {found.message}"
        for line, event in events
        for found in validator.errors(event)
    ]
    if problems:
        raise SamplesError(problems)


def _remedy(sentence: str) -> str:
    return (
        f"{sentence}. Rename the field in the samples and at the producer, such as ticketName for ticket-name"
    )


def _masked(event: dict[str, Any], masks: dict[str, str]) -> dict[str, Any]:
    return {**event, "data": _replaced(event["data"], "/data", masks.get)}


def _replaced(value: Any, pointer: str, mask: Callable[[str], str | None]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(part, f"{pointer}/{key}", mask) for key, part in value.items()}
    if isinstance(value, list):
        return [_replaced(item, f"{pointer}/*", mask) for item in value]
    return value if value is None else (mask(pointer) or value)


def _fullest_first(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The golden samples; the first has every field, because pages and dictionaries show it: what it lacks is another's."""
    first = max(events, key=lambda event: sum(len(part or ()) for part in event["data"].values()))
    rest = [event for event in events if event is not first]
    data = {}
    for part in ("payload", "metadata"):
        held = [event["data"].get(part) or {} for event in (first, *rest)]
        names = dict.fromkeys(name for one in held for name in one)
        data[part] = {
            name: next((one[name] for one in held if one.get(name) is not None), None) for name in names
        }
    if not data["metadata"]:
        del data["metadata"]
    return [{**first, "data": data}, *rest[: GOLDEN - 1]]


def _broken(payload: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events that must be refused, so that the contract is known to refuse something."""
    whole = {
        "name": "without its payload",
        "patch": [{"op": "remove", "path": "/data/payload"}],
        "errors": [{"pointer": "/data/payload", "code": "missing"}],
    }
    field = next((one for one in payload if one.get("required")), None)
    if field is None:
        return [whole]
    pointer = f"/data/payload/{field['name']}"
    other: Any = 5 if field["logicalType"] in ("string", "timestamp", "date") else "a text"
    return [
        whole,
        {
            "name": f"without its {field['name']}",
            "patch": [{"op": "remove", "path": pointer}],
            "errors": [{"pointer": pointer, "code": "missing"}],
        },
        {
            "name": f"a {field['name']} of another type",
            "patch": [{"op": "replace", "path": pointer, "value": other}],
            "errors": [{"pointer": pointer, "code": "type"}],
        },
    ]
