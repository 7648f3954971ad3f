"""From `schemas/producers/*.yaml` to the types that events of other producers are of. Build only."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from millrace.compiler.documents import yaml_file
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.type_names import KINDS

FOLDER = "producers"


def compile_names(schemas_dir: Path, contracts: Iterable[Contract]) -> dict[str, str]:
    """Every name by which a producer calls a type, with its kind before it (`contracts.type_names`) → the type.

    Raises:
        ContractError: with every problem of every file.
    """
    types = {contract.event_type for contract in contracts if not contract.derived}
    names: dict[str, str] = {}
    problems: list[ContractProblem] = []
    for path in sorted((schemas_dir / FOLDER).glob("*.yaml")):
        file = f"{FOLDER}/{path.name}"
        for pointer, kind, name, event_type in _entries(yaml_file(path, file)):
            if kind not in KINDS:
                problems.append(ContractProblem(file, pointer, f"a kind is one of {', '.join(KINDS)}"))
            elif event_type not in types:
                problems.append(
                    ContractProblem(file, pointer, f"{event_type} is no type that a client may send")
                )
            else:
                names[f"{KINDS[kind]}{name}"] = event_type
    if problems:
        raise ContractError(problems)
    return names


def _entries(document: Any) -> Iterator[tuple[str, str, str, Any]]:
    for kind, names in document.items() if isinstance(document, dict) else ():
        for name, event_type in names.items() if isinstance(names, dict) else ():
            yield f"/{kind}/{name}", str(kind), str(name), event_type
