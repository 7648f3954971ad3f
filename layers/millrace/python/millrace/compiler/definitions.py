"""Definitions as files: one folder of `schemas/` for each kind, and in it one file for each definition. Build only."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from millrace.compiler import pins
from millrace.compiler.documents import yaml_file
from millrace.compiler.sentences import sentences
from millrace.contracts.errors import ContractError, ContractProblem

Definition = TypeVar("Definition", bound=BaseModel)


@dataclass(frozen=True)
class Definitions(Generic[Definition]):
    """Definitions of a kind.

    Attributes:
        folder: of `schemas/`.
        word: for one of them.
        model: of a file; it has a `name`, which is that of the file.
        meanings: name of a setting → what its texts look like.
    """

    folder: str
    word: str
    model: type[Definition]
    meanings: Mapping[str, str]

    def read(self, schemas_dir: Path) -> tuple[dict[str, Definition], list[ContractProblem]]:
        """Every definition by its file below `schemas/`, and what is wrong with files that hold none."""
        found: dict[str, Definition] = {}
        problems: list[ContractProblem] = []
        for path in sorted((schemas_dir / self.folder).glob("*.yaml")):
            file = f"{self.folder}/{path.name}"
            try:
                found[file] = self.of_file(path, file)
            except ContractError as error:
                problems += error.problems
                continue
            name: Any = getattr(found[file], "name")  # noqa: B009  of every model, by agreement
            if path.stem != name:
                sentence = f"the {self.word} {name} lies in {name}.yaml"
                problems.append(ContractProblem(file, "/name", sentence))
        return found, problems

    def of_file(self, path: Path, file: str) -> Definition:
        """What a file holds; `file` is its name in problems.

        Raises:
            ContractError: with every problem of the file.
        """
        document = yaml_file(path, file)
        try:
            return self.model.model_validate(document)
        except ValidationError as error:
            said = sentences(error, document, self.model, self.meanings)
            raise ContractError([ContractProblem(file, *one) for one in said]) from error


def check_pins(found: Mapping[str, pins.Pinned], folder: Path) -> None:
    """Refuses definitions that are not what their versions have pinned.

    Args:
        found: file → what stands in it.
        folder: of the pins.

    Raises:
        ContractError: with each of them.
    """
    problems = [
        ContractProblem(file, "/version", sentence)
        for file, one in found.items()
        if (sentence := pins.problem(one, folder))
    ]
    if problems:
        raise ContractError(problems)
