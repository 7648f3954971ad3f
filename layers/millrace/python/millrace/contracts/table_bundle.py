"""Table contracts in the bundle: `tables.json`, as the build writes it and the functions read it."""

from pathlib import Path
from typing import Any

import orjson

from millrace.contracts.columns import Column, type_of
from millrace.contracts.tables import LakeTable

FILE = "tables.json"


def to_json(table: LakeTable) -> dict[str, Any]:
    """The form in the bundle."""
    return {
        "layer": table.layer,
        "name": table.name,
        "columns": [
            {
                "name": column.name,
                "schema": column.schema,
                "required": column.required,
                "unique": column.unique,
                "classification": column.classification,
            }
            for column in table.columns
        ],
        "grain": table.grain,
        "time": table.time_column,
        "refresh": table.refresh,
        "description": table.description,
        "owner": table.owner,
        "quality": list(table.quality),
        "freshnessHours": table.freshness_hours,
        "contract": table.contract,
    }


def from_json(document: dict[str, Any]) -> LakeTable:
    """Reads what `to_json` wrote."""
    hours = document["freshnessHours"]
    return LakeTable(
        layer=document["layer"],
        name=document["name"],
        columns=tuple(column(part) for part in document["columns"]),
        grain=document["grain"],
        time_column=document["time"],
        refresh=document["refresh"],
        description=document["description"],
        owner=document["owner"],
        quality=tuple(document["quality"]),
        freshness_hours=None if hours is None else (hours[0], hours[1]),
        contract=document["contract"],
    )


def column(document: dict[str, Any]) -> Column:
    """A column by its JSON Schema, which gives its type."""
    schema = document["schema"]
    return Column(
        name=document["name"],
        pointer=None,
        type=type_of(schema),
        required=document["required"],
        description=schema.get("description", ""),
        schema=schema,
        classification=document["classification"],
        unique=document["unique"],
    )


def read(folder: Path) -> list[LakeTable]:
    """The tables of a bundle; none if it was built without."""
    path = folder / FILE
    return [from_json(document) for document in orjson.loads(path.read_bytes())] if path.exists() else []
