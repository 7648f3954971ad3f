"""Which Iceberg tables there are, by Glue alone: for who has no pyiceberg."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.contracts.tables import LAYERS
from millrace.core.errors import error_code, from_client_error
from millrace.iceberg.layout import database


def locations(glue: Any, environment: str) -> dict[str, str | None]:
    """Full name of every Iceberg table of our layers → its metadata location.

    Raises:
        MillraceError: Glue did not answer.
    """
    found: dict[str, str | None] = {}
    for layer in LAYERS:
        for table in _tables(glue, database(environment, layer)):
            parameters = table.get("Parameters", {})
            if parameters.get("table_type", "").upper() == "ICEBERG":
                found[f"{layer}.{table['Name']}"] = parameters.get("metadata_location")
    return found


def _tables(glue: Any, name: str) -> Iterator[dict[str, Any]]:
    request: dict[str, Any] = {"DatabaseName": name}
    while True:
        try:
            page = glue.get_tables(**request)
        except (ClientError, BotoCoreError) as error:
            if error_code(getattr(error, "response", {})) == "EntityNotFoundException":
                return
            raise from_client_error(error, "list tables") from error
        yield from page["TableList"]
        if not page.get("NextToken"):
            return
        request["NextToken"] = page["NextToken"]
