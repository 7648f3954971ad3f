"""What pydantic finds wrong in a document, in a sentence each that says what to write instead. Build only."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from millrace.contracts.pointers import write

# Characters of a value that is shown.
SHOWN = 40
# What is wrong with a comparison of a column of users, behind its name.
USERS = "holds users, who are numbers in what is stored: all that can be asked is whether there is one"
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a number",
    "string": "a text",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
    "model": "an object",
    "model_attributes": "an object",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def meant(name: object, known: Iterable[object], *, listed: bool = False) -> str:
    """`; did you mean order_id?`, or, if nothing is near, what there is, if it is to be listed; else nothing."""
    names = [str(one) for one in known]
    if near := get_close_matches(str(name), names, n=1):
        return f"; did you mean {near[0]}?"
    return f"; there are {', '.join(names)}" if listed and names else ""


def sentences(
    error: ValidationError, document: Any, model: type[BaseModel], meanings: Mapping[str, str] | None = None
) -> Iterator[tuple[str, str]]:
    """Where each thing is wrong, as a JSON pointer, and what, as a sentence.

    Args:
        error: of a document of a YAML file.
        document: that was validated.
        model: that it was validated by.
        meanings: what a text of this name looks like: `{"version": "a version is major.minor.patch, such as 1.2.0"}`.
    """
    located = [(_path(one["loc"], document), one) for one in error.errors()]
    absent = {path: path[-1] for path, one in located if one["type"] == "missing"}
    for path, one in located:
        if one["type"] == "extra_forbidden":
            beside = [name for other, name in absent.items() if other[:-1] == path[:-1]]
            if near := get_close_matches(str(path[-1]), map(str, beside), n=1):
                # What is missing stands there, misspelt.
                absent.pop((*path[:-1], near[0]), None)
    for path, one in located:
        if one["type"] == "missing" and path not in absent:
            continue
        yield write(path), _sentence(path, one, model, meanings or {})


def _sentence(
    path: tuple[int | str, ...], error: Any, model: type[BaseModel], meanings: Mapping[str, str]
) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return f"there is no such setting{meant(path[-1], _names(model))}"
    if kind in ("union_tag_invalid", "literal_error"):
        expected = str(context.get("expected_tags", context.get("expected")))
        allowed = re.findall(r"'([^']+)'", expected) or re.split(", | or ", expected)
        tag = context.get("tag", value)
        what = f"there is no such {context['discriminator'].strip(chr(39))}" if "tag" in context else ""
        return f"{what or shown(value)}{': ' + shown(tag) if what else ''} is none of {', '.join(allowed)}{meant(tag, allowed)}"
    if kind == "union_tag_not_found":
        return f"{context['discriminator'].strip(chr(39))} is missing"
    if name in meanings and kind in ("string_type", "string_pattern_mismatch"):
        return f"{meanings[name]}, not {shown(value)}"
    if kind == "string_pattern_mismatch":
        return f"it has to match {context['pattern']}, not {shown(value)}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"it has to be {words} {context[key]}, not {shown(value)}"
    if kind in ("too_short", "string_too_short"):
        return "it may not be empty"
    if kind == "string_too_long":
        return f"it has at most {context['max_length']} characters, not {len(value)}"
    if wanted := _KINDS.get(kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float")):
        return f"it has to be {wanted}, not {shown(value)}{_instead(kind, value)}"
    return str(error["msg"]).removeprefix("Value error, ")


def shown(value: Any) -> str:
    """A value as it may be written in YAML, short."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _instead(kind: str, value: Any) -> str:
    if kind == "string_type" and isinstance(value, int | float | bool):
        return f"; write {json.dumps(json.dumps(value))}"
    quoted = isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?|true|false", value)
    return f"; write {value}, without quotes" if quoted and not kind.startswith("list") else ""


def _path(location: tuple[int | str, ...], document: Any) -> tuple[int | str, ...]:
    """The tag of a union stands in pydantic's path, but not in the document."""
    path: list[int | str] = []
    for at, part in enumerate(location):
        inside = isinstance(document, dict) and part in document
        if isinstance(document, dict) and not inside and at < len(location) - 1:
            continue
        path.append(part)
        among = isinstance(document, list) and isinstance(part, int) and part < len(document)
        document = document[part] if inside or among else None
    return tuple(path)


@cache
def _names(model: type[BaseModel]) -> tuple[str, ...]:
    """Every name that a document of this model has anywhere."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return tuple(dict.fromkeys(name for part in parts for name in part.get("properties", {})))
