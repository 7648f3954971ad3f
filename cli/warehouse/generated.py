"""Sources and models as dbt reads them: `sources.yml` and `schema.yml` in `warehouse/models/generated`, from the contracts.

A model's tests are its contract's checks in dbt's terms: `not_null`, `accepted_values`, and the project's own `in_range`
and `unique_within`, which applies within one tenant (and day), as in the pipeline. The pipeline checks silver's rows
before it commits them, so sources have descriptions only.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from millrace.contracts.columns import Column, duckdb_type
from millrace.contracts.decimals import INT64
from millrace.contracts.tables import LakeTable
from millrace.warehouse.project import Project

FOLDER = "models/generated"
HEAD = "# Generated from schemas/: edit the contracts, then run python -m cli.warehouse generate.\n"
# Silver is made every hour, for minutes; a source without newer rows than these has a standstill somewhere, or had no events.
FRESHNESS = {"warn_after": {"count": 3, "period": "hour"}}
_BOUNDS = {
    "minimum": "at_least",
    "maximum": "at_most",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
}
# Bounds that the column's type implies.
_HELD = frozenset({*INT64, -(2**31), 2**31 - 1})
_SILVER = "{{ 'silver' if target.type == 'duckdb' else target.schema ~ '_silver' }}"


def write(folder: Path, project: Project, tables: Mapping[str, LakeTable]) -> None:
    """Writes both files.

    Args:
        folder: of the dbt project.
        project: the compiled warehouse.
        tables: every contract.
    """
    for name, text in files(project, tables).items():
        (folder / FOLDER / name).write_text(text, encoding="utf-8")


def files(project: Project, tables: Mapping[str, LakeTable]) -> dict[str, str]:
    """Name → text of both files."""
    read = sorted(
        {name for transform in project.transforms for name in transform.inputs if name.startswith("silver.")}
    )
    made = [tables[transform.full_name] for transform in project.transforms]
    documents = {"sources.yml": sources(tables[name] for name in read), "schema.yml": models(made)}
    return {
        name: HEAD + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
        for name, document in documents.items()
    }


def sources(tables: Iterable[LakeTable]) -> dict[str, Any]:
    """Silver, as models read it."""
    listed = [
        {"name": table.name, "description": table.description, "columns": [_column(c) for c in table.columns]}
        for table in tables
    ]
    source = {
        "name": "silver",
        "description": "Accepted events, one table for each major version of a type, each event once.",
        "schema": _SILVER,
        "config": {"freshness": FRESHNESS, "loaded_at_field": "received_at"},
        "tables": listed,
    }
    return {"sources": [source]}


def models(tables: Iterable[LakeTable]) -> dict[str, Any]:
    """The models with their columns and tests."""
    return {"models": [_model(table) for table in tables]}


def _model(table: LakeTable) -> dict[str, Any]:
    columns = [
        {**_column(column), **({"data_tests": tests} if (tests := list(_tests(column))) else {})}
        for column in table.columns
    ]
    meta = {"grain": table.grain, "refresh": table.refresh, "owner": table.owner}
    model = {
        "name": table.name,
        "description": table.description,
        "config": {"meta": meta},
        "columns": columns,
    }
    unique = [{"unique_within": {"arguments": arguments}} for arguments in _unique(table)]
    return {**model, "data_tests": unique} if unique else model


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "description": column.description,
        "data_type": duckdb_type(column.type),
        "config": {"meta": {"classification": column.classification}},
    }


def _tests(column: Column) -> Iterator[Any]:
    if column.required:
        yield "not_null"
    if "enum" in column.schema:
        values = [value for value in column.schema["enum"] if value is not None]
        yield {"accepted_values": {"arguments": {"values": values}}}
    bounds = {
        _BOUNDS[name]: value
        for name, value in column.schema.items()
        if name in _BOUNDS and value not in _HELD
    }
    if bounds:
        yield {"in_range": {"arguments": bounds}}


def _unique(table: LakeTable) -> Iterator[dict[str, Any]]:
    """Columns that no two rows of a tenant (and day) share."""
    within = {"day": table.time_column} if table.time_column is not None else {}
    for column in table.columns:
        if column.unique:
            yield {"columns": [column.name], **within}
    for rule in table.quality:
        if rule.get("metric") == "duplicateValues":
            yield {"columns": list(rule["arguments"]["properties"]), **within}
