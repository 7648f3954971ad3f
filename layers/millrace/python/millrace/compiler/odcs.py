"""A document against the Open Data Contract Standard's own JSON Schema. Used at build only."""

import json
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from millrace.compiler.sentences import meant
from millrace.contracts.errors import Findings
from millrace.contracts.pointers import write

# What other languages call a type → what the standard does.
_TYPES = {
    **dict.fromkeys(("text", "str", "varchar", "uuid", "string"), "string"),
    **dict.fromkeys(("float", "double", "decimal", "numeric", "number"), "number"),
    **dict.fromkeys(("int", "long", "bigint", "integer"), "integer"),
    **dict.fromkeys(("bool", "boolean"), "boolean"),
    **dict.fromkeys(("datetime", "date-time", "timestamptz", "timestamp"), "timestamp"),
    **dict.fromkeys(("map", "struct", "record", "object"), "object"),
    **dict.fromkeys(("list", "array"), "array"),
    "date": "date",
}


@cache
def _standard() -> jsonschema_rs.Draft201909Validator:
    """The standard's own schema. Draft 2019-09: later drafts read `unevaluatedProperties` differently."""
    return jsonschema_rs.Draft201909Validator(json.loads(_text()))


def _text() -> str:
    return files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")


def begin(document: Any, name: str) -> Findings:
    """An empty list of findings on a document that keeps to the standard.

    Args:
        document: the parsed file.
        name: how messages call the file.

    Raises:
        ContractError: the document breaks the standard, so that nothing more can be read from it.
    """
    findings = Findings(name)
    for pointer, sentence in _errors(document):
        findings.report(pointer, sentence)
    findings.check()
    return findings


def _errors(document: Any) -> list[tuple[str, str]]:
    """Where a document breaks the standard, and how: pointer and sentence."""
    errors: dict[tuple[str, str], None] = {}
    unknown = []
    for error in _standard().iter_errors(document):
        if error.kind.name in ("unevaluatedProperties", "additionalProperties"):
            unknown.append(error)
        else:
            pointer = write(error.instance_path)
            errors[(pointer, _sentence(error, pointer))] = None
    places = {parent for pointer, _ in errors for parent in _parents(pointer)}
    for error in unknown:
        for name in error.kind.value:
            # A part that is wrong leaves what stands beside it unevaluated: a name of the standard is none then.
            if name not in _names() or write(error.instance_path) not in places:
                sentence = f"the standard has no {name} here{meant(name, _names())}"
                errors[(write([*error.instance_path, name]), sentence)] = None
    if not errors and document["apiVersion"] != "v3.2.0":
        return [("/apiVersion", "contracts are written in v3.2.0 of the standard")]
    # What is wrong inside a part makes the part itself unevaluated, up to the root: only the innermost is reported.
    outer = {parent for pointer, _ in errors for parent in _parents(pointer)}
    return [(pointer, sentence) for pointer, sentence in errors if pointer not in outer]


def _sentence(error: Any, pointer: str) -> str:
    if error.kind.name == "required":
        return f"{error.kind.value} is missing"
    if not pointer and error.kind.name == "type":
        return "a contract is an object, such as docs/recipes.md shows"
    if pointer == "/version" and error.kind.name == "type":
        return "a version is major.minor.patch, such as 1.2.0"
    if pointer.endswith("/logicalType") and error.kind.name == "enum":
        instead = _TYPES.get(str(error.instance).lower())
        near = instead or next(iter(get_close_matches(str(error.instance), _TYPES.values())), "")
        listed = ", ".join(sorted({*_TYPES.values()}))
        return f"{error.instance} is not a type; there are {listed}" + (f": write {near}" if near else "")
    if error.kind.name == "enum":
        options = error.kind.options
        return f"{error.instance} is none of {', '.join(map(str, options))}{meant(error.instance, options)}"
    return str(error.message)


@cache
def _names() -> tuple[str, ...]:
    """Every name that the standard has anywhere."""
    names: dict[str, None] = {}
    left: list[Any] = [json.loads(_text())]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            properties = part.get("properties")
            names |= dict.fromkeys(properties if isinstance(properties, dict) else ())
        left += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return tuple(names)


def _parents(pointer: str) -> Iterator[str]:
    while pointer:
        pointer = pointer.rpartition("/")[0]
        yield pointer
