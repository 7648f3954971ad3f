"""Fields in which a sample of a tenant's events holds personal data that no class protects.

Here, and not in intake or a consumer: the search takes as long as the validation of an event, rows of silver are made of raw events once
an hour anyway, and what is found is a function of the day's rows, so no repeated delivery counts it twice.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from millrace.contracts.contract import Contract
from millrace.privacy.search import ENVELOPE, Search, pattern
from millrace.runs.documents import Suspected

if TYPE_CHECKING:
    import duckdb

# About so many events of a tenant, day and type: what one in a hundred of them holds is found in seven of eight runs.
SAMPLE = 200
# That many objects of the day are read for it: to scan all of them costs a silver run a quarter more.
OBJECTS = 4
# A larger payload is not looked at, so that a sample takes at most some 25 MB.
BYTES = 64 * 1024
# Places of one contract: a client may make up names without end.
MOST_PLACES = 100
_COLUMNS = {
    "eventId": "event_id",
    "eventSource": "event_source",
    "correlationId": "correlation_id",
    "sessionId": "session_id",
}


def find(
    connection: "duckdb.DuckDBPyConnection", contract: Contract, source: str, rows: int
) -> tuple[int, tuple[Suspected, ...]]:
    """How many events were looked at, and what was found in how many of them.

    Args:
        connection: of the unit.
        contract: of the rows.
        source: raw rows, as what stands behind FROM.
        rows: how many these are, about.
    """
    search, counts, looked = Search(contract), Counter[tuple[str, str]](), 0
    cursor = connection.execute(_sample(source, rows))
    while held := cursor.fetchmany(SAMPLE):
        for row in held:
            looked += 1
            counts.update(_of_event(search, row))
    found = (Suspected(pointer, kind, count) for (pointer, kind), count in counts.most_common(MOST_PLACES))
    return looked, tuple(sorted(found, key=lambda one: (one.pointer, one.kind)))


def _sample(source: str, rows: int) -> str:
    step = max(1, rows // SAMPLE)
    columns = ", ".join(_COLUMNS[name] for name in ENVELOPE)
    return f"""
        SELECT {columns}, payload, metadata FROM {source}
        WHERE hash(event_id) % {step} = 0 AND strlen(payload) <= {BYTES}
            AND (metadata IS NULL OR strlen(metadata) <= {BYTES})
        LIMIT {2 * SAMPLE}"""  # noqa: S608  made of names and numbers


def _of_event(search: Search, row: tuple[Any, ...]) -> set[tuple[str, str]]:
    *envelope, payload, metadata = row
    event = {
        **dict(zip(ENVELOPE, envelope, strict=True)),
        "data": {"payload": _parsed(payload), "metadata": _parsed(metadata)},
    }
    return {(pattern(path), kind) for path, kinds in search.found(event) for kind in kinds}


def _parsed(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # A row of silver says so by itself.
        return None
