"""docs/reference says what the code says, and the code's own tables are whole."""

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

from cli.commands import VARIABLES
from cli.reference.__main__ import FOLDER, pages
from cli.reference.markdown import docstring, table
from millrace.compiler import api_document, odcs, properties
from millrace.contracts import derived, rules
from millrace.contracts.errors import CODES
from stacks import environment

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[3]
PACKAGES = ROOT / "layers/millrace/python/millrace"


def test_the_pages_are_what_the_code_says() -> None:
    """Those that are out of date are made by `make reference`."""
    written = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / FOLDER).iterdir()}
    assert written == pages(ROOT)


def test_every_code_of_an_error_is_listed() -> None:
    document = api_document.load(ROOT / "schemas/openapi.yaml")
    assert set(document["components"]["schemas"]["ErrorCode"]["enum"]) == set(CODES)
    texts = [path.read_text(encoding="utf-8") for path in PACKAGES.rglob("*.py")]
    used = {
        node.args[1].value
        for text in texts
        if "FieldError(" in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "FieldError"
        if len(node.args) > 1 and isinstance(node.args[1], ast.Constant)
    }
    assert "reserved_type" in used
    assert used <= set(CODES)


def test_every_variable_that_commands_read_is_listed() -> None:
    read = {
        name
        for path in (ROOT / "cli").rglob("*.py")
        for name in re.findall(r'environ\S*?"(MILLRACE_[A-Z_]+)"|port_of\("([A-Z_]+)"', path.read_text())
        for name in filter(None, name)
    }
    assert read == set(VARIABLES)


@pytest.mark.parametrize(
    ("module", "paragraph", "kinds"), [(rules, 1, rules._PARAMETERS), (derived, 2, derived._KINDS)]
)
def test_a_table_in_a_docstring_has_every_kind(
    module: ModuleType, paragraph: int, kinds: dict[str, object]
) -> None:
    rows = docstring(module, paragraph).splitlines()[2:]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])} == set(kinds)


def test_what_the_standard_has_is_in_the_standard() -> None:
    assert set(properties.STANDARD) <= set(odcs._names())


def test_every_setting_says_what_it_is() -> None:
    models = [one for one in vars(environment).values() if isinstance(one, type)]
    silent = [
        f"{model.__name__}.{name}"
        for model in models
        if issubclass(model, BaseModel) and model.__module__ == environment.__name__
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert silent == []


def test_a_cell_keeps_its_bars() -> None:
    assert table(("a",), [("x | y",)]).splitlines()[-1] == "| x \\| y |"
