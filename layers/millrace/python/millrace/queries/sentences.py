"""DuckDB's messages as one sentence, and what a column may be that is not there."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches

from millrace.queries.errors import QueryError, RefusedQueryError, SqlError

_NO_COLUMN = re.compile(
    r'Referenced column "(?P<column>[^"]+)" not found|does not have a column named "(?P<of_table>[^"]+)"'
)


def sentence(message: str) -> str:
    """A message without the repeated line of the statement and DuckDB's guesses at names of its own."""
    lines = [line.strip() for line in message.splitlines()]
    said = []
    for line in lines:
        if line.startswith(("LINE ", "Did you mean")):
            break
        said += [line] if line else []
    place = next((line.partition(":")[0].lower() for line in lines if line.startswith("LINE ")), "line 1")
    return " ".join(said) + ("" if place == "line 1" else f" ({place})")


def explained(message: str, columns: Collection[str], hidden: Mapping[str, str]) -> QueryError:
    """The error of a statement that did not run; where a column is not there, its sentence names those that may be meant.

    Args:
        message: DuckDB's.
        columns: of the tables that were read.
        hidden: columns that those have and the caller does not see → their class. To ask for one is refused, not wrong.
    """
    match = _NO_COLUMN.search(message)
    if match is None:
        return SqlError(sentence(message))
    name = match["column"] or match["of_table"]
    if name.lower() in hidden:
        return RefusedQueryError(f"the column {name} is {hidden[name.lower()]}: SQL does not show it")
    meant = get_close_matches(name, sorted(columns))
    maybe = f"; did you mean {' or '.join(meant)}?" if meant else ""
    return SqlError(f"there is no column {name}{maybe}")
