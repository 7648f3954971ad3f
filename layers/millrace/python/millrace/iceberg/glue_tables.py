"""Which Iceberg tables there are, by Glue alone: for who has no pyiceberg."""

from collections.abc import Iterator
from typing import Any

from millrace.contracts.tables import LAYERS
from millrace.core.aws import calling
from millrace.core.errors import NotFoundError
from millrace.iceberg.layout import database


def locations(glue: Any, environment: str) -> dict[str, str | None]:
    """Full name of every Iceberg table of our layers → its metadata location.

    Raises:
        MillraceError: Glue did not answer.
    """
    by_table: dict[str, str | None] = {}
    for layer in LAYERS:
        for table in _tables(glue, database(environment, layer)):
            parameters = table.get("Parameters", {})
            if parameters.get("table_type", "").upper() == "ICEBERG":
                by_table[f"{layer}.{table['Name']}"] = parameters.get("metadata_location")
    return by_table


def _tables(glue: Any, name: str) -> Iterator[dict[str, Any]]:
    try:
        with calling("list tables"):
            for page in glue.get_paginator("get_tables").paginate(DatabaseName=name):
                yield from page["TableList"]
    except NotFoundError:
        return
