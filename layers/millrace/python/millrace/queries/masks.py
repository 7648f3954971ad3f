"""How a column is shown in SQL: as it is, as a token, without what is protected in it, or not at all."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from millrace.access import visibility
from millrace.contracts.contract import PROTECTED, Contract
from millrace.core.sql import identifier, literal

RAW = "raw.events"
# Of raw: JSON that holds fields of any class.
DOCUMENTS = {"payload": "/data/payload", "metadata": "/data/metadata"}
TOKEN = "tk_[A-Za-z0-9_-]{22}"  # noqa: S105  the form of what stands in the place of a value
# A column that no contract describes is taken for one of these.
_UNKNOWN = "restricted"


@dataclass(frozen=True, slots=True)
class Column:
    """A column as a caller sees it.

    Attributes:
        name: of the column.
        type: DuckDB's.
        classification: the contract's.
        sql: its value, over the table's own columns; None where it is not shown.
    """

    name: str
    type: str
    classification: str
    sql: str | None


def shown(caller: visibility.Caller, dataset: str, name: str, classification: str) -> visibility.Visibility:
    """How a column is shown; of raw, the documents are shown without their protected fields: `masked`."""
    if dataset == RAW and name in DOCUMENTS and visibility.table_access(caller, dataset):
        return "masked"
    return visibility.column(caller, dataset, classification)


def seen(
    caller: visibility.Caller,
    dataset: str,
    columns: Iterable[tuple[str, str]],
    classes: Mapping[str, str],
    contracts: Iterable[Contract],
) -> list[Column]:
    """The columns of a dataset.

    Args:
        caller: who reads.
        dataset: such as `silver.order_created_v1`.
        columns: names and DuckDB types, in order.
        classes: column → class.
        contracts: of all event types, for the documents of raw.
    """
    found = []
    for name, kind in columns:
        of = classes.get(name, _UNKNOWN)
        how = shown(caller, dataset, name, of)
        sql: str | None = None
        if how == "clear":
            sql = f"CAST({identifier(name)} AS {kind})"
        elif how == "token" and kind == "VARCHAR":
            # What stood there before fields were protected is no token, and is not shown.
            is_token = f"regexp_full_match({identifier(name)}, {literal(TOKEN)})"
            sql = f"CASE WHEN {is_token} THEN {identifier(name)} END"
        elif how == "masked" and dataset == RAW:
            sql = document(name, contracts)
        found.append(Column(name, kind, of, sql))
    return found


def document(name: str, contracts: Iterable[Contract]) -> str:
    """SQL of a document of raw without protected fields; of a type that no contract describes there is none.

    Args:
        name: the column, `payload` or `metadata`.
        contracts: of all event types and majors; a field that one major protects is left out of all.
    """
    column = identifier(name)
    protected: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for contract in contracts:
        protected[contract.event_type] |= set(_protected(contract, DOCUMENTS[name]))
    kept = sorted(of for of, places in protected.items() if not places)
    cases = [f"WHEN event_type IN ({', '.join(map(literal, kept))}) THEN {column}"] if kept else []
    cases += [
        f"WHEN event_type = {literal(of)} THEN {_without(column, sorted(places))}"
        for of, places in sorted(protected.items())
        if places
    ]
    return f"CASE {' '.join(cases)} END" if cases else "CAST(NULL AS VARCHAR)"


def _protected(contract: Contract, below: str) -> Iterable[tuple[str, ...]]:
    for pointer, of in contract.classification.items():
        if of in PROTECTED and pointer.startswith(f"{below}/"):
            parts = pointer.removeprefix(f"{below}/").split("/")
            # Of an array that holds a protected field nothing is left.
            yield tuple(parts[: parts.index("*")] if "*" in parts else parts)


def _without(column: str, places: Sequence[tuple[str, ...]]) -> str:
    """JSON without the fields at these places: a merge patch (RFC 7396) for each object that has some of them."""
    by_parent: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for place in places:
        by_parent[place[:-1]].append(place[-1])
    made = f"CAST({column} AS JSON)"
    for parent, names in sorted(by_parent.items()):
        patch: Any = dict.fromkeys(names)
        for name in reversed(parent):
            patch = {name: patch}
        patched = f"json_merge_patch({made}, {literal(orjson.dumps(patch).decode())})"
        if parent:
            # A patch would make an object that is not there.
            path = literal("$" + "".join(f'."{name}"' for name in parent))
            made = f"CASE WHEN json_type({made}, {path}) = 'OBJECT' THEN {patched} ELSE json_merge_patch({made}, {_gone(parent)}) END"
        else:
            made = patched
    return f"CAST({made} AS VARCHAR)"


def _gone(parent: tuple[str, ...]) -> str:
    """A patch that removes what stands in an object's place."""
    patch: Any = {parent[-1]: None}
    return literal(orjson.dumps(patch).decode()) if len(parent) == 1 else literal("{}")
