"""From `schemas/producers/*.yaml` to the types that events of other producers are of. Build only."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from millrace.compiler.documents import yaml_file
from millrace.compiler.sentences import meant, shown
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.pointers import write
from millrace.contracts.type_names import KINDS

FOLDER = "producers"
# How the names of a kind are written, where not every text is one.
_FORMS = {
    "self-describing": (r"[^/]+/[^/]+/[0-9]+", "vendor/name/model, such as com.example/product_view/1"),
    "structured": (r"[^/]*/[^/]*", "category/action, such as shop/add-to-basket"),
}


def compile_names(schemas_dir: Path, contracts: Iterable[Contract]) -> dict[str, str]:
    """Every name by which a producer calls a type, with its kind before it (`contracts.type_names`) → the type.

    Raises:
        ContractError: with every problem of every file.
    """
    types = sorted({contract.event_type for contract in contracts if not contract.derived})
    names: dict[str, str] = {}
    problems: list[ContractProblem] = []
    for path in sorted((schemas_dir / FOLDER).glob("*.yaml")):
        file = f"{FOLDER}/{path.name}"
        try:
            document = yaml_file(path, file) or {}
        except ContractError as error:
            problems += error.problems
            continue
        wrong = [*_problems(document, types)]
        problems += [ContractProblem(file, *one) for one in wrong]
        for kind, given in document.items() if not wrong else ():
            for name, event_type in given.items():
                if names.setdefault(f"{KINDS[kind]}{name}", event_type) != event_type:
                    sentence = (
                        f"another file makes it {names[f'{KINDS[kind]}{name}']}: one of the two has to go"
                    )
                    problems.append(ContractProblem(file, write([kind, name]), sentence))
    if problems:
        raise ContractError(problems)
    return names


def _problems(document: Any, types: list[str]) -> Iterator[tuple[str, str]]:
    if not isinstance(document, dict):
        yield "", f"a file of names is an object, whose keys are of {', '.join(KINDS)}"
        return
    for kind, names in document.items():
        if kind not in KINDS:
            yield write([kind]), f"a kind is one of {', '.join(KINDS)}{meant(kind, KINDS)}"
        elif not isinstance(names, dict):
            yield (
                write([kind]),
                f"a kind has names, each with a type of ours, not {shown(names)}; none is {{}}",
            )
        else:
            for name, event_type in names.items():
                yield from ((write([kind, name]), one) for one in _entry(kind, name, event_type, types))


def _entry(kind: str, name: str, event_type: Any, types: list[str]) -> Iterator[str]:
    pattern, form = _FORMS.get(kind, ("(?s).*", ""))
    if not re.fullmatch(pattern, name):
        yield f"a name of this kind is {form}"
    if event_type not in types:
        yield f"{event_type} is not a type that a client may send{meant(event_type, types)}"
