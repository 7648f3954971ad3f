"""From `schemas/tables/<layer>/<table>.yaml` to tables of the lake.

A table's contract is held to the standard as an event's is. Its one schema object lists the columns; what the standard
has no word for stands in `customProperties`: `grain` (`day` or `org`), `time` (the column whose UTC day is the
partition, for grain `day` only) and `refresh` (`hourly` or `daily`). Freshness is an SLA property whose `value` warns
and whose `valueExt` is an error, in hours.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from millrace.compiler import odcs
from millrace.compiler.documents import yaml_file
from millrace.compiler.event_contracts import compile_contracts
from millrace.compiler.fields import Translation
from millrace.compiler.properties import VERSION
from millrace.contracts.columns import Column, Scalar
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.tables import Grain, LakeTable, Layer, Refresh, described_column, silver_table
from millrace.quality.checks import checks_of

FOLDER = "tables"
LAYERS = tuple(layer for layer in get_args(Layer) if layer != "silver")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PROPERTIES = ("grain", "time", "refresh")
_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
Report = Callable[[str, str], None]


def compile_tables(schemas_dir: Path) -> list[LakeTable]:
    """Every contract below `tables/`, by name.

    Raises:
        ContractError: with every problem of every file.
    """
    problems: list[ContractProblem] = []
    tables: list[LakeTable] = []
    for path in sorted((schemas_dir / FOLDER).rglob("*.yaml")):
        name = path.relative_to(schemas_dir).as_posix()
        try:
            table = compile_table(yaml_file(path, name), name)
        except ContractError as error:
            problems += error.problems
            continue
        expected = f"{FOLDER}/{table.layer}/{table.name}.yaml"
        if name != expected:
            problems.append(ContractProblem(name, "/id", f"by its id this file is {expected}"))
        tables.append(table)
    if problems:
        raise ContractError(problems)
    return sorted(tables, key=lambda table: table.full_name)


def lake_tables(schemas_dir: Path) -> list[LakeTable]:
    """Every table of the lake: silver's from the events' contracts, the rest from their own.

    Raises:
        ContractError: with every problem of the first folder that has one.
    """
    silver = [silver_table(contract) for contract in compile_contracts(schemas_dir)]
    return [*silver, *compile_tables(schemas_dir)]


def compile_table(document: Any, name: str) -> LakeTable:
    """A table from its parsed YAML.

    Args:
        document: the parsed file.
        name: how messages call the file.

    Raises:
        ContractError: with every problem of the document.
    """
    findings = odcs.begin(document, name)
    report = findings.report
    layer = _identity(document, report)
    columns = _columns(document, report)
    grain, time, refresh = _custom(document, columns, report)
    table = LakeTable(
        layer=layer,
        name=document.get("name", ""),
        columns=columns,
        grain=grain,
        time_column=time,
        refresh=refresh,
        description=_text(document, report),
        owner=_owner(document, report),
        quality=_quality(document),
        freshness_hours=_freshness(document, report),
        contract=f"{document['id']}/{document['version']}",
    )
    findings.check()
    try:
        checks_of(table)
    except (ValueError, KeyError) as error:
        # A check of an unknown kind is found here, not by the first run.
        report("/schema/0/quality", str(error))
    findings.check()
    return table


def _identity(document: dict[str, Any], report: Report) -> Layer:
    layer, _, rest = document["id"].partition(".")
    if layer not in LAYERS or rest != document.get("name") or not _NAME.fullmatch(rest):
        report(
            "/id", f"the id is <layer>.<name>, the layer one of {', '.join(LAYERS)}, the name in snake case"
        )
    if not VERSION.fullmatch(document["version"]):
        report("/version", "a version is major.minor.patch, such as 1.2.0")
    known: Layer = next((one for one in LAYERS if one == layer), "marts")
    return known


def _columns(document: dict[str, Any], report: Report) -> tuple[Column, ...]:
    objects = document.get("schema", [])
    if len(objects) != 1 or not objects[0].get("properties"):
        report("/schema", "a table's schema is one object, its properties are the columns")
        return ()
    properties = objects[0]["properties"]
    translation = Translation(closed=False, report=report, sums=True)
    fields = translation.object_schema(properties, "/schema/0/properties", "")["properties"]
    columns: dict[str, Column] = {}
    for index, item in enumerate(properties):
        at, column = f"/schema/0/properties/{index}", item["name"]
        if not _NAME.fullmatch(column):
            report(f"{at}/name", f"{column}: a column is called in snake case")
        if "description" not in item:
            report(at, f"{column} says what it is: it needs a description")
        schema = fields[column]
        if "type" not in schema:
            continue
        # The bounds that every decimal of an event has are not bounds of a sum.
        given = item.get("logicalTypeOptions", {})
        if "multipleOf" in schema and "integer" not in schema["type"]:
            schema = {key: value for key, value in schema.items() if key not in _BOUNDS or key in given}
        columns[column] = described_column(
            {
                "name": column,
                "schema": schema,
                "required": bool(item.get("required")),
                "unique": bool(item.get("unique")),
                "classification": translation.classification.get(f"/{column}", "internal"),
            }
        )
    org = columns.get("org_id")
    if org is None or org.type != Scalar("string") or not org.required:
        report("/schema/0/properties", "a table has the tenant: org_id, a required string")
    return tuple(columns.values())


def _custom(
    document: dict[str, Any], columns: tuple[Column, ...], report: Report
) -> tuple[Grain, str | None, Refresh]:
    properties: dict[str, Any] = {}
    for index, item in enumerate(document.get("customProperties", [])):
        name = item["property"]
        if name not in _PROPERTIES or name in properties:
            sentence = "stands here twice" if name in properties else f"is none of {', '.join(_PROPERTIES)}"
            report(f"/customProperties/{index}/property", f"{name} {sentence}")
        properties[name] = item["value"]
    for name, kind in (("grain", Grain), ("refresh", Refresh)):
        if properties.get(name) not in get_args(kind):
            report("/customProperties", f"a table has a {name}: {' or '.join(get_args(kind))}")
    grain: Grain = "day" if properties.get("grain") == "day" else "org"
    refresh: Refresh = "daily" if properties.get("refresh") == "daily" else "hourly"
    time = properties.get("time")
    if grain == "org":
        if time is not None:
            report("/customProperties", "time: a table of grain org has no days")
        return grain, None, refresh
    column = next((column for column in columns if column.name == time), None)
    if column is None or column.type not in (Scalar("timestamptz"), Scalar("date")) or not column.required:
        report("/customProperties", "time: a table of grain day names a required timestamp or date")
    return grain, str(time), refresh


def _text(document: dict[str, Any], report: Report) -> str:
    purpose: str = document.get("description", {}).get("purpose", "").strip()
    if not purpose:
        report("/description", "a table says what its rows are: purpose")
    return purpose


def _owner(document: dict[str, Any], report: Report) -> str:
    team = document.get("team")
    name = team.get("name", "") if isinstance(team, dict) else ""
    if not name:
        report("/team", "somebody answers for a table: team.name")
    return str(name)


def _quality(document: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Checks of the table, then those of its columns, each with the name of its column."""
    (table, *_) = document.get("schema", []) or [{}]
    of_columns = (
        {**rule, "column": item["name"]}
        for item in table.get("properties", [])
        for rule in item.get("quality", [])
    )
    return (*table.get("quality", []), *of_columns)


def _freshness(document: dict[str, Any], report: Report) -> tuple[float, float] | None:
    for index, item in enumerate(document.get("slaProperties", [])):
        if item["property"] != "freshness":
            continue
        warn, error, unit = item["value"], item.get("valueExt"), item.get("unit")
        numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (warn, error))
        if not numbers or unit != "h" or not 0 < warn <= error:
            report(
                f"/slaProperties/{index}", "freshness is hours (unit h): value warns, valueExt is an error"
            )
            return None
        return float(warn), float(error)
    return None
