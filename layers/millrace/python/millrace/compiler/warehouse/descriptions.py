"""What the dbt project's YAML says of transforms: its names, columns and tests exist, and exposures read as ours. Used at build only.

dbt reads the same files; what it would refuse at its own run, or silently leave out, is told here with its line.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from millrace.compiler.documents import yaml_file
from millrace.compiler.places import at_line
from millrace.compiler.sentences import meant, sentences
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.pointers import write
from millrace.warehouse.project import Exposure

_GENERIC_TEST = re.compile(r"{%-?\s*test\s+(\w+)")
_BUILT_IN_TESTS = ("not_null", "unique", "accepted_values", "relationships")
_REFERENCE = re.compile(
    r"""\s*(?:ref\(\s*['"](\w+)['"]\s*\)|source\(\s*['"](\w+)['"]\s*,\s*['"](\w+)['"]\s*\))\s*"""
)
# Below `models/`: written from the contracts once all compiles, so it may still describe what was there before.
GENERATED = "generated"


class _Part(BaseModel):
    """What dbt takes at every part."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    description: str = ""
    config: dict[str, Any] = {}
    meta: dict[str, Any] = {}
    tags: Any = None
    docs: dict[str, Any] = {}


class _Column(_Part):
    data_type: str = ""
    data_tests: list[str | dict[str, Any]] = []
    tests: list[str | dict[str, Any]] = []
    constraints: list[Any] = []
    quote: bool = False
    granularity: str = ""
    policy_tags: Any = None


class _Model(_Part):
    columns: list[_Column] = []
    data_tests: list[str | dict[str, Any]] = []
    tests: list[str | dict[str, Any]] = []
    constraints: list[Any] = []
    access: str = ""
    group: str = ""
    latest_version: Any = None
    versions: list[Any] = []
    deprecation_date: Any = None
    time_spine: Any = None
    primary_key: Any = None


class _Owner(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    name: str


class _Exposure(_Part):
    label: str = ""
    type: str
    maturity: str = ""
    url: str = ""
    depends_on: list[str]
    owner: _Owner


class _Given(BaseModel):
    model_config = ConfigDict(extra="allow")

    input: str


class _UnitTest(_Part):
    model: str
    given: list[_Given]
    expect: dict[str, Any]
    overrides: dict[str, Any] = {}
    versions: Any = None


class _File(BaseModel):
    """A file of properties. What is of no transform is dbt's alone."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Any = 2
    models: list[_Model] = []
    exposures: list[_Exposure] = []
    unit_tests: list[_UnitTest] = []
    sources: list[Any] = []
    data_tests: list[Any] = []
    tests: list[Any] = []
    macros: list[Any] = []
    seeds: list[Any] = []
    snapshots: list[Any] = []
    analyses: list[Any] = []
    groups: list[Any] = []
    metrics: list[Any] = []
    semantic_models: list[Any] = []
    saved_queries: list[Any] = []


class Descriptions:
    """The YAML files below `models/`, each problem of theirs, and the exposures that they hold.

    Attributes:
        problems: each with its file and line.
        exposures: what reads the tables outside of the project.
    """

    def __init__(self, project: Path) -> None:
        """`project` is the folder of dbt_project.yml; `check` then holds the files to what there is."""
        self.problems: list[str] = []
        self.exposures: list[Exposure] = []
        self._project = project
        self._layers = {path.stem: path.parent.name for path in (project / "models").rglob("*.sql")}
        self._files = dict(self._read())

    def check(self, columns: Mapping[str, Iterable[str]], sources: Iterable[str]) -> None:
        """Looks whether what is described exists.

        Args:
            columns: of each transform whose columns are known, by its name without its layer.
            sources: the full names of what transforms may read as sources.
        """
        tests, known = self._tests(), frozenset(sources)
        for path, file in self._files.items():
            problems: list[tuple[str, str]] = []
            for at, model in enumerate(file.models):
                problems += self._of_model(["models", at], model, columns, tests)
            for at, unit in enumerate(file.unit_tests):
                problems += self._of_name(["unit_tests", at, "model"], unit.model)
                for place, given in enumerate(unit.given):
                    problems += self._of_reference(
                        ["unit_tests", at, "given", place, "input"], given.input, known
                    )
            for at, exposure in enumerate(file.exposures):
                for place, text in enumerate(exposure.depends_on):
                    problems += self._of_reference(["exposures", at, "depends_on", place], text, known)
            self.problems += [self._said(path, *one) for one in problems]

    def _read(self) -> Iterator[tuple[Path, _File]]:
        folder = self._project / "models"
        for path in sorted([*folder.rglob("*.yml"), *folder.rglob("*.yaml")]):
            if path.parent.name == GENERATED:
                continue
            try:
                document = yaml_file(path, path.name)
                if document is None:
                    continue
                file = _File.model_validate(document)
            except ContractError as error:
                self.problems += [self._said(path, one.pointer, one.sentence) for one in error.problems]
            except ValidationError as error:
                errors = sentences(error, document, _File, {"name": "a name is a text"})
                self.problems += [self._said(path, *one) for one in errors]
            else:
                self.exposures += [self._exposure(one) for one in file.exposures]
                yield path, file

    def _exposure(self, one: _Exposure) -> Exposure:
        inputs = []
        for text in one.depends_on:
            name, schema, table = ((match := _REFERENCE.fullmatch(text)) and match.groups()) or (
                text,
                None,
                None,
            )
            inputs.append(f"{schema}.{table}" if schema else f"{self._layers.get(str(name), '')}.{name}")
        return Exposure(
            name=one.name,
            label=one.label or one.name,
            owner=one.owner.name,
            description=one.description,
            inputs=tuple(inputs),
        )

    def _of_model(
        self, at: list[Any], model: _Model, columns: Mapping[str, Iterable[str]], tests: list[str]
    ) -> Iterator[tuple[str, str]]:
        yield from self._of_name([*at, "name"], model.name)
        known = columns.get(model.name)
        places: list[tuple[list[Any], _Model | _Column]] = [(at, model)]
        for place, column in enumerate(model.columns):
            where = [*at, "columns", place]
            places.append((where, column))
            if known is not None and column.name not in known:
                sentence = f"{model.name} has no column {column.name}{meant(column.name, known)}"
                yield write([*where, "name"]), sentence
        for where, part in places:
            for key, listed in (("data_tests", part.data_tests), ("tests", part.tests)):
                for place, test in enumerate(listed):
                    yield from _of_test([*where, key, place], test, tests)

    def _of_name(self, at: list[Any], name: str) -> Iterator[tuple[str, str]]:
        if name not in self._layers:
            yield write(at), f"no transform is called {name}{meant(name, self._layers)}"

    def _of_reference(self, at: list[Any], text: str, sources: frozenset[str]) -> Iterator[tuple[str, str]]:
        match = _REFERENCE.fullmatch(text)
        if match is None:
            yield write(at), f"{text} is neither ref('…') nor source('…', '…')"
        elif match[1]:
            yield from self._of_name(at, match[1])
        elif (name := f"{match[2]}.{match[3]}") not in sources:
            yield write(at), f"{name} is not a table{meant(name, sources)}"

    def _tests(self) -> list[str]:
        paths = [path for name in ("tests", "macros") for path in (self._project / name).rglob("*.sql")]
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(paths)]
        return [*_BUILT_IN_TESTS, *(name for text in texts for name in _GENERIC_TEST.findall(text))]

    def _said(self, path: Path, pointer: str, sentence: str) -> str:
        name = path.relative_to(self._project.parent).as_posix()
        return at_line(ContractProblem(name, pointer, sentence), path)


def _of_test(at: list[Any], test: str | dict[str, Any], known: list[str]) -> Iterator[tuple[str, str]]:
    name = test if isinstance(test, str) else str(test.get("test_name", next(iter(test), "")))
    if "." in name:
        yield (
            write(at),
            f"{name} is of a package, and none is installed: write warehouse/tests/generic/{name.rpartition('.')[2]}.sql",
        )
    elif name not in known:
        yield write(at), f"no test is called {name}{meant(name, known, listed=True)}"
