"""A function imports nothing at its start that none of its layers has. The tests have all packages, and so would not see it."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.support.templates import Templates

ROOT = Path(__file__).parents[2]
SOURCES = (ROOT, ROOT / "layers/millrace/python", ROOT / "clients/python")
# Layer, as templates name it → what it brings that no other has.
PACKAGES = {
    "Lake": {"pyarrow"},
    "Duckdb": {"duckdb"},
    "Iceberg": {"pyiceberg"},
    "Privacy": {"cryptography", "phonenumbers", "stdnum"},
    "Policies": {"cedarpy", "jwt"},
    "Onnx": {"onnxruntime"},
    "Sketches": {"datasketches"},
    "Registry": {"yaml", "open_data_contract_standard"},
    "Avro": {"fastavro"},
    "Postgres": {"pg8000"},
    "Mlflow": {"mlflow"},
}

# Functions whose cold start somebody waits for: an answer, or an event on its way.
AWAITED = {
    "analyze_events",
    "archive_events",
    "authorize",
    "collect",
    "post_events",
    "predict",
    "project_events",
    "read_analytics",
    "receive_bus_events",
    "receive_webhooks",
    "route_events",
    "score_transactions",
}


@cache
def imported(module: str) -> frozenset[str]:
    """What a module of ours imports as it is imported, as full names."""
    for folder in SOURCES:
        place = folder / module.replace(".", "/")
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return frozenset(_names(ast.parse(path.read_text()).body))
    return frozenset()


def _names(body: list[ast.stmt]) -> set[str]:
    found: set[str] = set()
    for node in body:
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module, *(f"{module}.{alias.name}" for alias in names)}
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=other):
                found |= _names(other)
            case ast.If(body=one, orelse=other):
                found |= _names(one) | _names(other)
            case ast.Try(body=one):
                found |= _names(one)
            case _:
                pass
    return found


def closure(module: str) -> dict[str, str]:
    """All that is imported with a module → by which module of ours it was first met."""
    met = {module: module}
    left = [module]
    while left:
        one = left.pop()
        parents = {one.rpartition(".")[0]} if "." in one else set()
        for name in imported(one) | parents:
            if name not in met:
                met[name] = one
                left.append(name)
    return met


def test_no_function_imports_what_none_of_its_layers_has(every: Templates) -> None:
    missing = []
    for stem, function in every.functions().items():
        refs = " ".join(layer["Ref"] for layer in function["Properties"]["Layers"])
        lacking = set().union(*(names for layer, names in PACKAGES.items() if f"Layers{layer}" not in refs))
        for name, by in closure(f"functions.{stem}.handler").items():
            if name.partition(".")[0] in lacking:
                missing.append(f"{stem}: {by} imports {name}")
    assert missing == []


@pytest.mark.parametrize("stem", sorted(AWAITED))
def test_what_somebody_waits_for_begins_without_pydantic(stem: str) -> None:
    """Its import is a quarter of what a cold start costs beside boto3."""
    begun = closure(f"functions.{stem}.handler")
    assert "millrace.core.settings" in begun
    assert {by for name, by in begun.items() if name.partition(".")[0] == "pydantic"} == set()


def test_what_is_imported_is_found_through_all_modules() -> None:
    assert "pyarrow.compute" in closure("functions.erase_subject.handler")
