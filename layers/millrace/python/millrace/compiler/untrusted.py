"""A contract that comes from outside, read within bounds.

What takes long, or could stand for more than any memory holds, is refused before it is looked at.
"""

import math
from collections.abc import Iterator
from typing import Any

import yaml

from millrace.compiler.documents import SENTENCE, FastLoader, json_document, parse_document
from millrace.compiler.event_contracts import compile_document
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.core.limits import Limit

BYTES = 256 * 1024
# The largest contract of this repository has 24 fields, 300 values, and nests 12 levels.
VALUES = 20_000
FIELDS = 1_000
DEPTH = 64
PATTERNS = 50
PATTERN_LENGTH = 500
# Problems that one answer lists.
PROBLEMS = 100
_LARGEST = 2**63 - 1
LIMITS = (
    Limit("a contract in `POST /v1/schemas/check`", f"{BYTES >> 10} KB", "413"),
    Limit("values, levels of it", f"{VALUES:,}, {DEPTH}", "413"),
    Limit("fields, patterns of it", f"{FIELDS:,}, {PATTERNS}", "413"),
)


class TooLargeError(ContractError):
    """The contract is larger than what is checked."""


def compile_outside(raw: bytes, name: str) -> Contract:
    """The contract that some bytes say, ODCS in JSON or YAML.

    Args:
        raw: the bytes.
        name: how messages call them.

    Raises:
        TooLargeError: it is beyond the bounds; the message says which.
        ContractError: it does not compile, with the first 100 problems, none of them long.
    """
    if len(raw) > BYTES:
        raise _too_large(name, f"a contract holds at most {BYTES} bytes")
    document = _json(raw, name)
    if document is None:
        _bound_text(raw, name)
        document = parse_document(raw, name, FastLoader)
    _bound(document, name)
    try:
        return compile_document(document, name)
    except ContractError as error:
        raise ContractError([_short(problem) for problem in error.problems[:PROBLEMS]]) from error
    except (
        Exception
    ) as error:  # what reads our own files takes it for granted that a name is a text, and so on
        sentence = f"a value is not what belongs in its place: {type(error).__name__}: {error}"
        raise ContractError([ContractProblem(name, "", sentence[:SENTENCE])]) from error


def _short(problem: ContractProblem) -> ContractProblem:
    return ContractProblem(problem.file, problem.pointer[:SENTENCE], problem.sentence[:SENTENCE])


def _too_large(name: str, sentence: str) -> TooLargeError:
    return TooLargeError([ContractProblem(name, "", sentence)])


def _refused(name: str, pointer: str, sentence: str) -> ContractError:
    return ContractError([ContractProblem(name, pointer, sentence)])


def _json(raw: bytes, name: str) -> Any:
    try:
        document = json_document(raw)
    except RecursionError:
        raise _too_large(name, f"a contract nests at most {DEPTH} levels") from None
    except ValueError as error:
        raise _refused(name, "", str(error)[:SENTENCE]) from error
    if document is not None:
        _bound_values(document, name)
    return document


def _bound_values(document: Any, name: str) -> None:
    values, level = 1, [document]
    for _ in range(DEPTH + 1):
        # A name of an object counts as well, as in YAML.
        values += sum(len(one) * (2 if isinstance(one, dict) else 1) for one in level)
        if values > VALUES:
            raise _too_large(name, f"a contract holds at most {VALUES} names and values")
        inner = [part for one in level for part in (one.values() if isinstance(one, dict) else one)]
        level = [part for part in inner if isinstance(part, dict | list)]
        if not level:
            return
    raise _too_large(name, f"a contract nests at most {DEPTH} levels")


def _bound_text(raw: bytes, name: str) -> None:
    """Counts what the text holds before anything is made of it."""
    depth = values = 0
    try:
        for event in yaml.parse(raw.decode("utf-8"), Loader=FastLoader):
            if isinstance(event, yaml.AliasEvent):
                raise _refused(name, "", "a contract has no aliases")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            values += isinstance(event, yaml.NodeEvent)
            if depth > DEPTH:
                raise _too_large(name, f"a contract nests at most {DEPTH} levels")
            if values > VALUES:
                raise _too_large(name, f"a contract holds at most {VALUES} names and values")
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        raise _refused(name, "", " ".join(str(error).split())[:SENTENCE]) from error


def _bound(document: Any, name: str) -> None:
    fields = patterns = 0
    for key, value in _pairs(document):
        if key == "name":
            fields += 1
        elif key == "pattern" and isinstance(value, str):
            patterns += 1
            if len(value) > PATTERN_LENGTH:
                raise _too_large(name, f"a pattern has at most {PATTERN_LENGTH} characters")
        if isinstance(value, float) and not math.isfinite(value):
            raise _refused(name, "", f"{key!s:.60} is not a number that JSON can say")
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise _refused(name, "", f"{key!s:.60} is an integer beyond 64 bits")
    if fields > FIELDS:
        raise _too_large(name, f"a contract has at most {FIELDS} fields, this one has {fields}")
    if patterns > PATTERNS:
        raise _too_large(name, f"a contract has at most {PATTERNS} patterns, this one has {patterns}")


def _pairs(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every name with its value; items of lists under the number of their place."""
    left = [document]
    while left:
        item = left.pop()
        if isinstance(item, dict | list):
            pairs = item.items() if isinstance(item, dict) else enumerate(item)
            for key, value in pairs:
                yield key, value
                left.append(value)
