"""A document against the Open Data Contract Standard's own JSON Schema. Used at build only."""

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from millrace.contracts.errors import Findings
from millrace.contracts.pointers import write


@cache
def _standard() -> jsonschema_rs.Draft201909Validator:
    """The standard's own schema. Draft 2019-09: later drafts read `unevaluatedProperties` differently."""
    text = files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    return jsonschema_rs.Draft201909Validator(json.loads(text))


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
    found: dict[tuple[str, str], None] = {}
    for error in _standard().iter_errors(document):
        if error.kind.name in ("unevaluatedProperties", "additionalProperties"):
            sentence = f"the standard has no {', '.join(error.kind.value)} here"
        elif error.kind.name == "required":
            sentence = f"{error.kind.value} is missing"
        else:
            sentence = error.message
        found[(write(error.instance_path), sentence)] = None
    if not found and document["apiVersion"] != "v3.2.0":
        return [("/apiVersion", "contracts are written in v3.2.0 of the standard")]
    # What is wrong inside a part makes the part itself unevaluated, up to the root: only the innermost is reported.
    outer = {parent for pointer, _ in found for parent in _parents(pointer)}
    return [(pointer, sentence) for pointer, sentence in found if pointer not in outer]


def _parents(pointer: str) -> Iterator[str]:
    while pointer:
        pointer = pointer.rpartition("/")[0]
        yield pointer
