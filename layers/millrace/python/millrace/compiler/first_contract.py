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

from millrace.compiler import first_contract_text
from millrace.compiler.documents import OnceLoader
from millrace.compiler.event_contracts import compile_document
from millrace.compiler.guessed_fields import Guess
from millrace.compiler.properties import EVENT_TYPE
from millrace.contracts import formats
from millrace.contracts.contract import KEY_LENGTH, PROTECTED
from millrace.contracts.errors import ContractError
from millrace.contracts.validator import Validator

GOLDEN = 20
_UUID_V4 = re.compile(formats.UUID_V4["pattern"])
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
            [f"{name!r} is not a type: write it in small letters with a dot, such as ticket.opened"]
        )
    guess = Guess()
    payload = guess.object([(line, event["data"]["payload"]) for line, event in events], "/data/payload")
    metas = [(line, event["data"].get("metadata")) for line, event in events]
    metadata = guess.object([(line, value) for line, value in metas if value is not None], "/data/metadata")
    if guess.problems:
        raise SamplesError(guess.problems)
    text = first_contract_text.of(
        name,
        domain or name.partition(".")[0],
        payload,
        metadata,
        user=_user(payload),
        entity=_entity(name, payload),
        any_ids=not all(_UUID_V4.match(str(event.get("eventId"))) for _, event in events),
        samples=len(events),
    )
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
        f"line {line}: {refusal.pointer} {refusal.message}"
        for line, event in events
        for refusal in validator.errors(event)
    ]
    if problems:
        raise SamplesError(problems)


def _remedy(sentence: str) -> str:
    return (
        f"{sentence}. In the samples and at the producer the field needs another name, such as ticketName for ticket-name, "
        "or parkingId for sessionId"
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
