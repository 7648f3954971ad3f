"""Renders the models of the dbt project, which we call transforms, as `dbt compile` does, with the few words that they use.

A transform may say `ref`, `source`, `var`, `config`, and the project's own macros. Everything else is an error: no
environment, no database, no clock.

Used at build only; a test proves that dbt renders the same.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import CodeType
from typing import Any

import jinja2
import jinja2.nodes
from jinja2.sandbox import SandboxedEnvironment

from millrace.compiler.documents import yaml_file
from millrace.compiler.places import at_line
from millrace.compiler.sentences import meant
from millrace.compiler.warehouse.errors import WarehouseError
from millrace.contracts.errors import ContractError, ContractProblem

STAGING = "staging"
# What dbt itself calls; transforms do not.
_FOR_DBT = "dbt"
_UNDEFINED = re.compile(r"'([a-z_]+)' is undefined")
# What dbt has and a transform does not need.
INSTEAD = {
    "is_incremental": "the pipeline builds a tenant's day from the whole day again, so leave the block out",
    "this": "a transform does not read its own table",
    "env_var": "a transform depends on no environment: give dbt_project.yml a var",
    "dbt_utils": "packages are not installed: write the SQL, or a macro in warehouse/macros",
    "run_started_at": "rows depend on no clock: compare with a column, such as event_time",
}
_WORDS = "transforms may say ref, source, var, config and the macros of warehouse/macros"
Relation = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A transform's SQL. `reads`: (schema, name) of everything it refers to, in the order it does."""

    schema: str
    name: str
    sql: str
    reads: tuple[tuple[str, str], ...]

    @property
    def full_name(self) -> str:
        """`staging.stg_orders`."""
        return f"{self.schema}.{self.name}"


def render(project: Path, relation: Relation = lambda schema, name: f"{schema}.{name}") -> list[Rendered]:
    """Every transform below `models/`, by schema (its folder) and name.

    Args:
        project: the folder of dbt_project.yml.
        relation: how a table is written, from its schema and name.

    Raises:
        WarehouseError: with every transform that does not render.
    """
    paths = {path.stem: path for path in sorted((project / "models").rglob("*.sql"))}
    variables = _variables(project / "dbt_project.yml")
    rendered: list[Rendered] = []
    problems: list[str] = []
    rendering = _Rendering(project, paths, variables, relation)
    for name, path in paths.items():
        try:
            rendered.append(rendering.render(path))
        except (jinja2.TemplateError, _RefusedError, TypeError, UnicodeDecodeError) as error:
            problems.append(f"{name}: {_sentence(error, rendering.words)}")
    if problems:
        raise WarehouseError(problems)
    return rendered


def _variables(path: Path) -> dict[str, Any]:
    name = f"{path.parent.name}/{path.name}"
    try:
        document = yaml_file(path, name)
    except ContractError as error:
        raise WarehouseError([at_line(problem, path) for problem in error.problems]) from error
    variables = document.get("vars", {}) if isinstance(document, dict) else None
    if not isinstance(variables, dict):
        sentence = "the project is an object, and its vars are names, each with a value"
        raise WarehouseError([at_line(ContractProblem(name, "/vars", sentence), path)])
    return variables


def _sentence(error: Exception, words: Iterable[str] = ()) -> str:
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f"Jinja on line {error.lineno}: {error.message}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte 0x{error.object[error.start]:02x} is not UTF-8: save the file as UTF-8"
    if isinstance(error, TypeError):
        return f"a word is called with other arguments than it takes: {error}"
    if isinstance(error, jinja2.UndefinedError) and (match := _UNDEFINED.match(str(error))):
        return f"{match[0]}: {INSTEAD.get(match[1]) or _WORDS + meant(match[1], words)}"
    return str(error)


class _RefusedError(Exception):
    """A transform asks for what is not there."""


class _Rendering:
    """Renders one transform after the other, and notes what each reads."""

    def __init__(
        self, project: Path, paths: dict[str, Path], variables: dict[str, Any], relation: Relation
    ) -> None:
        self._paths, self._variables, self._relation = paths, variables, relation
        self._reads: dict[tuple[str, str], None] = {}
        self._jinja = _environment()
        words = {"ref": self._ref, "source": self._source, "var": self._var, "config": lambda **_: ""}
        # Without the helpers that Jinja adds (`lipsum`, `cycler` …), which dbt may lack.
        self._jinja.globals = {"range": range, **words}
        self._macros: dict[str, Any] = {}
        files = [
            path
            for path in sorted((project / "macros").rglob("*.sql"))
            if _FOR_DBT not in path.relative_to(project / "macros").parts
        ]
        problems: list[str] = []
        texts: list[str] = []
        names: list[str] = []
        for path in files:
            try:
                text = path.read_text(encoding="utf-8")
                names += _macros(text)
                texts.append(text)
            except (jinja2.TemplateSyntaxError, UnicodeDecodeError) as error:
                line = f":{error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
                name = path.relative_to(project.parent).as_posix()
                problems.append(f"{name}{line}: {_sentence(error)}")
        if problems:
            raise WarehouseError(problems)
        # Macros call each other, whichever file they are in.
        self._jinja.globals |= {name: partial(self._call, name) for name in names}
        for text in texts:
            self._macros |= vars(self._template(text).module)

    def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        return self._macros[name](*arguments, **named)

    def _template(self, text: str) -> jinja2.Template:
        return jinja2.Template.from_code(self._jinja, _code(text), self._jinja.make_globals(None))

    @property
    def words(self) -> list[str]:
        """What a transform may call."""
        return [*self._jinja.globals]

    def render(self, path: Path) -> Rendered:
        self._reads = {}
        sql = self._template(path.read_text(encoding="utf-8")).render()
        return Rendered(path.parent.name, path.stem, sql.strip(), tuple(self._reads))

    def _ref(self, name: str) -> str:
        if name not in self._paths:
            raise _RefusedError(f"no transform is called {name}{meant(name, self._paths)}")
        return self._read(self._paths[name].parent.name, name)

    def _source(self, schema: str, name: str) -> str:
        return self._read(schema, name)

    def _read(self, schema: str, name: str) -> str:
        self._reads[(schema, name)] = None
        return self._relation(schema, name)

    def _var(self, name: str) -> Any:
        if name not in self._variables:
            raise _RefusedError(
                f"no variable is called {name}{meant(name, self._variables)}; vars of dbt_project.yml has them"
            )
        return self._variables[name]


def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)


# What is read of a text does not depend on the words, and so is read once for the versions of a project that have it.
@lru_cache(maxsize=256)
def _code(text: str) -> CodeType:
    return _environment().compile(text)


@lru_cache(maxsize=256)
def _macros(text: str) -> list[str]:
    return [macro.name for macro in _environment().parse(text).find_all(jinja2.nodes.Macro)]
